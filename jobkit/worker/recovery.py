"""What becomes of the jobs of a worker that was lost.

A job's `deliveries` counts the processes that died with it. After the first it goes back to the
head at once, since most such deaths are nobody's fault; after the second it waits, at random so
that a job that kills processes does not meet the same neighbours again, and then runs alone (see
`alone`); after the third whoever claims it sets it aside.

A supervisor knows what had started when the process died, and charges only that. Whoever finds
a worker by its lease cannot know, and charges all it held.

A job for whose time limit the supervisor had to end the process has failed by that. The rules for
it are the application's, which the supervisor does not have: it goes back with a mark, and whoever
claims it does not run it but has it fail.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from jobkit.adapter import Claim, Release, Requeue, Settlement, State
from jobkit.errors import PayloadError

__all__ = ["OVERRUN", "after_death", "after_loss", "after_overrun"]

OVERRUN: Final = "overrun"
"""The field of a payload whose last run was ended, with its process, for the time limit."""

_SECOND: Final = 2
_SECOND_DELAY: Final = 10.0
"""Seconds, times 0.5 to 1.5, before a job that lost two processes is run again."""


def after_loss(claim: Claim, reason: str, now: float) -> Settlement:
    """Where a recovered claim goes; `now` is wall time in seconds, `reason` is kept with it.

    Text that is no job goes back as it is: whoever claims it next will bury it.
    """
    try:
        return _charged(claim, claim.payload.deliveries + 1, reason, now)
    except PayloadError:
        return Release(claim)


def after_death(
    claims: Sequence[Claim], started: Iterable[str] | None, reason: str, now: float
) -> list[Settlement]:
    """Where the recovered claims go when it is known what had started: only that is charged.

    `started` holds payloads' texts, because recovering gave the claims new receipts; of equal
    texts as many are charged as had started. None: nobody can tell, so that all are.
    """
    if started is None:
        return [after_loss(claim, reason, now) for claim in claims]
    return _settled(claims, started, lambda claim: after_loss(claim, reason, now))


def after_overrun(claims: Sequence[Claim], overrun: Iterable[str], reason: str) -> list[Settlement]:
    """Where the recovered claims go when the process was ended for the time limit of some.

    They are told as in `after_death`. Nothing but these is charged.
    """
    return _settled(claims, overrun, lambda claim: _marked(claim, reason))


def _settled(
    claims: Sequence[Claim], texts: Iterable[str], charged: Callable[[Claim], Settlement]
) -> list[Settlement]:
    """The claims with these texts are charged, the others go back to the head as they are."""
    left = Counter(texts)
    settlements: list[Settlement] = []
    for claim in claims:
        text = claim.payload.text
        found = left[text] > 0
        left[text] -= 1
        settlements.append(charged(claim) if found else Release(claim, started=False))
    return settlements


def _marked(claim: Claim, reason: str) -> Settlement:
    changes = {
        OVERRUN: True,
        "deliveries": 1,  # no more: it is not run again before it has failed
        "error_class": "jobkit.errors.JobTimeout",
        "error_message": reason,
    }
    return Requeue(claim, claim.payload.replace(**changes), State.ENQUEUED, head=True)


def _charged(claim: Claim, deliveries: int, reason: str, now: float) -> Settlement:
    changes = {
        "deliveries": deliveries,
        "error_class": "jobkit.errors.WorkerLost",
        "error_message": reason,
    }
    if deliveries == _SECOND:
        due = now + _SECOND_DELAY * random.uniform(0.5, 1.5)
        return Requeue(claim, claim.payload.replace(scheduled_at=due, **changes), State.SCHEDULED)
    return Requeue(claim, claim.payload.replace(**changes), State.ENQUEUED, head=True)
