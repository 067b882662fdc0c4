"""Another life for a stored job."""

from __future__ import annotations

from typing import Any, Final

from jobkit.adapter import State
from jobkit.capabilities import Move, StoredJob
from jobkit.errors import PayloadError
from jobkit.payload import Payload

__all__ = ["rewritten", "to_run"]

_RUNNABLE: Final = frozenset({State.SCHEDULED, State.RETRY, State.DEAD})
_FRESH_BUDGET: Final[dict[str, None]] = dict.fromkeys(
    ("retry_count", "exception_executions", "deliveries", "overrun", "failed_at", "retried_at")
)
"""What a dead job forgets when it gets another life; the last error stays, to be read."""


def to_run(job: StoredJob, now: float) -> Move | None:
    """The job enqueued now; None when it does not wait for its time, nor is dead."""
    if job.state not in _RUNNABLE:
        return None
    return rewritten(job, State.ENQUEUED, scheduled_at=None, enqueued_at=now)


def rewritten(job: StoredJob, state: State, **changes: Any) -> Move | None:
    """The job elsewhere; one that was dead starts anew. None for text that is no job.

    Whoever asks for a run wants one: what would expire before does not any more.
    """
    try:
        fresh = _fresh(job.payload) if job.state is State.DEAD else {}
        return Move(job, job.payload.replace(**fresh, **changes, expires_at=None), state)
    except PayloadError:
        return None


def _fresh(payload: Payload) -> dict[str, Any]:
    """What makes a dead job start anew: where it was with its steps, it stays."""
    steps = payload.fields.get("steps")
    if not isinstance(steps, dict) or "resumed" not in steps:
        return {**_FRESH_BUDGET}
    kept = {name: value for name, value in steps.items() if name != "resumed"}
    return {**_FRESH_BUDGET, "steps": kept or None}
