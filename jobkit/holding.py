"""What a job sees of where it runs: itself, whether it must stop, and who holds it.

A worker, or what stands in for one in tests, sets `holder` where it runs jobs; `perform_now` has
none, and nothing can be kept or interrupted there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final, Protocol

from jobkit.adapter import Claim
from jobkit.payload import Payload

__all__ = [
    "Holder",
    "amended",
    "current",
    "holder",
    "is_cancelled",
    "is_stopping",
    "stop_signal",
    "tell",
    "with_progress",
]

TOLD_EVERY: Final = 1.0
"""Seconds between two writes of a job's progress."""

current: ContextVar[Any] = ContextVar("jobkit_current_job", default=None)
"""The job that runs in this context."""

stop_signal: ContextVar[Callable[[], bool]] = ContextVar("jobkit_stopping", default=lambda: False)
"""Tells whether the worker that runs this context is about to stop."""


class Holder(Protocol):
    """Keeps what a job has done so far, and tells whether it may go on."""

    def monotonic(self) -> float:
        """Seconds, as of a clock that never goes back."""
        ...

    def holds(self, claim: Claim) -> bool:
        """False when the job is known to be another's by now."""
        ...

    def is_cancelled(self, claim: Claim) -> bool:
        """True when the job was cancelled, as far as it is known here."""
        ...

    def save(self, claim: Claim, payload: Payload) -> None:
        """Have the store keep this text of the job; never waits for it, and never raises."""
        ...


holder: ContextVar[Holder | None] = ContextVar("jobkit_holder", default=None)
"""Who holds the job that runs in this context."""


def is_stopping() -> bool:
    """True in a job whose worker is about to stop: finish, or raise `Interrupted`."""
    return stop_signal.get()()


def is_cancelled(job: Any) -> bool:
    """True when the job was cancelled while it runs here, as far as that is known."""
    holds, claim = holder.get(), getattr(job, "_claim", None)
    return holds is not None and claim is not None and holds.is_cancelled(claim)


def amended(job: Any, payload: Payload) -> Payload:
    """The payload with what the run of the job has to remember."""
    steps = job._steps
    changes = {} if steps is None else steps.changes()
    if job._progress is not None:
        changes["progress"] = job._progress
    return payload.replace(**changes) if changes else payload


def tell(job: Any, told: Mapping[str, Any]) -> None:
    """Note how far the job is, and have that written once a second at most."""
    job._progress = told
    holds = holder.get()
    if holds is None or job._claim is None:
        return
    now = holds.monotonic()
    if now - job._told_at >= TOLD_EVERY:
        job._told_at = now
        holds.save(job._claim, amended(job, job._claim.payload))


def with_progress(claim: Claim, job: Any) -> Claim:
    """The claim as it is to be settled: its text is what the run has made of it."""
    if job._steps is None and job._progress is None:
        return claim
    return replace(claim, payload=amended(job, claim.payload))
