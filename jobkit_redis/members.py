"""What settlements and moves are to batches, as the scripts have it."""

from __future__ import annotations

from typing import Any

from jobkit.adapter import Settlement, State
from jobkit.batching import MARK, How, batch_of, end_of
from jobkit.capabilities import Move, StoredJob
from jobkit_redis.keys import encoded

__all__ = ["MARK", "ended", "moved"]


def ended(settlement: Settlement) -> tuple[Any, ...]:
    """What a settlement is to a batch, as the script has it."""
    end = end_of(settlement) if MARK in settlement.claim.payload.text else None
    return () if end is None else ("B", encoded(end.batch), encoded(end.member), end.how.value)


def moved(job: StoredJob, move: Move | None) -> tuple[Any, ...]:
    """The same of a move, None being a removal."""
    batch = batch_of(job.payload)
    what = _what(job.state, None if move is None else move.state)
    return ("B", encoded(batch), encoded(job.payload.id), what) if batch and what else ()


def _what(state: State, to: State | None) -> str:
    if state is State.COMPLETED:
        return ""
    if state is State.DEAD:
        return "" if to in (None, State.DEAD) else "revived"
    if to is None:
        return How.REMOVED.value
    return How.FAILED.value if to is State.DEAD else ""
