"""What becomes of the jobs of a worker that was lost.

A job's `deliveries` counts the processes that died with it. After the first it goes back to the
head at once, since most such deaths are nobody's fault; after the second it waits, at random so
that a job that kills processes does not meet the same neighbours again; after the third whoever
claims it sets it aside.
"""

from __future__ import annotations

import random
from typing import Final

from jobkit.adapter import Claim, Requeue, Settlement, State

__all__ = ["after_loss"]

_SECOND: Final = 2
_SECOND_DELAY: Final = 10.0
"""Seconds, times 0.5 to 1.5, before a job that lost two processes is run again."""


def after_loss(claim: Claim, reason: str, now: float) -> Settlement:
    """Where a recovered claim goes; `now` is wall time in seconds, `reason` is kept with it."""
    deliveries = claim.payload.deliveries + 1
    changes = {
        "deliveries": deliveries,
        "error_class": "jobkit.errors.WorkerLost",
        "error_message": reason,
    }
    if deliveries == _SECOND:
        due = now + _SECOND_DELAY * random.uniform(0.5, 1.5)
        return Requeue(claim, claim.payload.replace(scheduled_at=due, **changes), State.SCHEDULED)
    return Requeue(claim, claim.payload.replace(**changes), State.ENQUEUED, head=True)
