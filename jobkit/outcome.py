"""What running a job returns: a closed union that says what must happen to the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = [
    "SUCCEEDED",
    "Abandoned",
    "Buried",
    "Discarded",
    "Dropped",
    "Failure",
    "Outcome",
    "Released",
    "Retried",
    "Snoozed",
    "Succeeded",
    "Suspended",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored: plain text, cut to size, safe for every store.

    `at` is wall time in seconds, `backtrace` the last frames' lines; `error` is the error itself,
    for subscribers of this process.
    """

    error_class: str
    message: str
    backtrace: tuple[str, ...]
    at: float
    error: BaseException | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The run ended well. `halted`: a before_perform callback aborted it, which counts as done.

    `lost` says why there is a result that did not come along.
    """

    result: Any = None
    halted: bool = False
    lost: str | None = None


SUCCEEDED: Final = Succeeded()
"""How nearly every run ends: well, with nothing to tell."""


@dataclass(frozen=True, slots=True)
class Retried:
    """The run failed and the job runs again in `delay` seconds.

    `counts` are the failures per rule after this one; queue and priority are None to stay.
    """

    delay: float
    failure: Failure | None
    counts: Mapping[str, int] = field(default_factory=dict)
    queue: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The job asked to run again in `delay` seconds, without counting this run."""

    delay: float


@dataclass(frozen=True, slots=True)
class Discarded:
    """The job is dropped on purpose: no failure."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The job failed for good and is not kept (`dead=False`, `retry=False`)."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Buried:
    """The job goes to the dead set. `counts` as in Retried."""

    failure: Failure
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Released:
    """The run was interrupted: back to the head of the queue, unchanged, uncharged."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """The run ended between two of its steps, or inside of one: another goes on there, uncharged.

    At the head of its queue, or behind what waits. `failure` is the error of one that got on
    before it failed.
    """

    head: bool = False
    failure: Failure | None = None


Outcome = Succeeded | Retried | Snoozed | Discarded | Dropped | Buried | Released | Suspended


class Abandoned(BaseException):
    """Raised in a run whose outcome was decided without it: it unwinds, and nobody judges it."""
