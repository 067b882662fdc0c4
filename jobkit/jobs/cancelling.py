"""Cancelling stored jobs, wherever they go meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from jobkit.adapter import Enqueues, State
from jobkit.cancelling import SupportsCancel, is_marked
from jobkit.capabilities import StoredJob, SupportsInspect, require
from jobkit.jobs.enqueueing import adapter_of

__all__ = ["cancel", "cancel_job"]

_ROUNDS: Final = 100
"""Looks at jobs that are somewhere else each time, before they are let be."""

_MISSES: Final = 5
"""Looks in vain for what may have gone from place to place while a store was searched."""

_OVER: Final = (State.DEAD, State.COMPLETED)


def cancel_job(job: Any) -> bool:
    """See `Job.cancel`."""
    return cancel(adapter_of(job), [job.id]) > 0


def cancel(adapter: Enqueues, ids: Collection[str]) -> int:
    """Cancel the jobs with these ids; the number of those that had not ended.

    Raises Unsupported when the adapter cannot.
    """
    store = require(adapter, SupportsInspect, "inspection")  # type: ignore[type-abstract]
    cancels = require(adapter, SupportsCancel, "cancelling jobs")  # type: ignore[type-abstract]
    left, cancelled, missed = dict.fromkeys(ids), 0, 0
    for _ in range(_ROUNDS):
        found = store.find(list(left))
        able = [job for job in found if _can_be(job)]
        changed = cancels.cancel(able) if able else 0
        cancelled += changed
        # One that began, ended or came back between the look and this is met in the next round.
        done = found if changed == len(able) else [job for job in found if not _can_be(job)]
        for job in done:
            left.pop(job.id or job.payload.id, None)
        missed = 0 if found else missed + 1
        if not left or missed == _MISSES:
            break
    return cancelled


def _can_be(job: StoredJob) -> bool:
    if job.state in _OVER:
        return False
    return not (job.state is State.RUNNING and is_marked(job.payload.text))
