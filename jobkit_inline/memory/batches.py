"""The batches of one memory store, and what becomes of them as their members end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jobkit.batching import (
    ABANDONED,
    KEPT,
    KEPT_FAILED,
    BatchInfo,
    End,
    How,
    NewBatch,
    Standing,
    as_member,
    batch_of,
    closed_to_new,
    follows,
)
from jobkit.clock import as_datetime
from jobkit.payload import Payload

__all__ = ["Batches", "Kept"]


@dataclass(slots=True)
class Kept:
    """A batch: the members that are pending and those that failed; who succeeded is counted."""

    new: NewBatch
    created_at: float
    touched_at: float
    total: int = 0
    pending: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    fired: set[str] = field(default_factory=set[str])
    closed: bool = False
    cancelled: bool = False
    finished_at: float | None = None

    @property
    def info(self) -> BatchInfo:
        """The batch as inspection shows it."""
        pending, failed, ended = len(self.pending), len(self.failed), self.finished_at
        return BatchInfo(
            id=self.new.id,
            description=self.new.description,
            total=self.total,
            pending=pending,
            succeeded=self.total - pending - failed,
            failed=failed,
            created_at=as_datetime(self.created_at),
            finished_at=None if ended is None else as_datetime(ended),
            cancelled=self.cancelled,
            parent=self.new.parent,
        )


class Batches:
    """Batches by id. `enqueue` stores the job of a callback."""

    def __init__(self, enqueue: Callable[[Payload, float], object]) -> None:
        self._enqueue = enqueue
        self.kept: dict[str, Kept] = {}

    def open(self, new: NewBatch, now: float) -> None:
        """Keep a batch that is not there yet, as a member of its parent."""
        if new.id in self.kept:
            return
        if new.parent is not None:
            self.join(new.parent, [as_member(new.id)], now)
        self.kept[new.id] = Kept(new, created_at=now, touched_at=now)

    def demand(self, batch_id: str) -> Kept:
        """The batch. Raises BatchFinished unless it takes members."""
        batch = self.kept.get(batch_id)
        if batch is None:
            raise closed_to_new(batch_id, "is not there")
        if batch.cancelled:
            raise closed_to_new(batch_id, "was cancelled")
        if batch.finished_at is not None:
            raise closed_to_new(batch_id, "has finished")
        return batch

    def demand_for(self, batch_id: str, opens: NewBatch | None) -> None:
        """Raise BatchFinished unless the batch takes members, or can be opened."""
        if opens is None or opens.id in self.kept:
            self.demand(batch_id)
        elif opens.parent is not None:
            self.demand(opens.parent)

    def join(self, batch_id: str, members: Sequence[str], now: float) -> None:
        """Make them members. Raises BatchFinished."""
        self._join(self.demand(batch_id), members, now)

    def close(self, batch_id: str, now: float) -> None:
        """The block of the batch is left."""
        batch = self.kept[batch_id]
        batch.closed = True
        self._look(batch, now)

    def ended(self, end: End, now: float) -> None:
        """A member has ended."""
        batch = self.kept.get(end.batch)
        if batch is None:
            return
        known = end.member in batch.pending or end.member in batch.failed
        batch.pending.discard(end.member)
        batch.failed.discard(end.member)
        if known and end.how is How.FAILED:
            batch.failed.add(end.member)
        if known and end.how is How.REMOVED:
            batch.total -= 1
        self._look(batch, now)

    def revived(self, batch_id: str, member: str) -> None:
        """A member that failed is to run again."""
        batch = self.kept.get(batch_id)
        if batch is None or member not in batch.failed:
            return
        batch.failed.remove(member)
        batch.pending.add(member)
        finished, batch.finished_at = batch.finished_at, None
        if finished is not None and batch.new.parent is not None:
            self.revived(batch.new.parent, as_member(batch_id))

    def cancel(self, batch_id: str, now: float, *, forget: bool) -> bool:
        """See `SupportsBatches.cancel_batch`."""
        batch = self.kept.get(batch_id)
        if batch is None or batch.finished_at is not None:
            return False
        batch.cancelled = True
        if forget:
            batch.fired.update(("success", "failure", "finish"))
            batch.closed = True
        self._look(batch, now)
        return True

    def trim(self, now: float, limit: int) -> int:
        """Forget what was kept long enough, and give up what was never closed."""
        for batch_id in self._abandoned(now):
            self.cancel(batch_id, now, forget=True)
        over = [each for each in self.kept.values() if _is_over(each, now)][:limit]
        for batch in over:
            del self.kept[batch.new.id]
        return len(over)

    def _abandoned(self, now: float) -> list[str]:
        return [
            batch_id
            for batch_id, batch in self.kept.items()
            if not batch.closed and batch.touched_at <= now - ABANDONED
        ]

    def _join(self, batch: Kept, members: Sequence[str], now: float) -> None:
        new = [each for each in members if each not in batch.pending | batch.failed]
        batch.total += len(new)
        batch.pending.update(new)
        batch.touched_at = now

    def _look(self, batch: Kept, now: float) -> None:
        """Have come what follows from how the batch stands."""
        standing = Standing(
            batch.closed, batch.cancelled, bool(batch.pending), bool(batch.failed), batch.fired
        )
        following = follows(standing)
        for event in following.events:
            batch.fired.add(event)
            self._fire(batch.new.callbacks.get(event), now)
        if following.finished and batch.finished_at is None:
            batch.finished_at = now
            self._end_in_parent(batch, now)

    def _fire(self, callback: Payload | None, now: float) -> None:
        if callback is None:
            return
        parent = self.kept.get(batch_of(callback))
        if parent is not None:
            self._join(parent, [callback.id], now)
        self._enqueue(callback.replace(enqueued_at=now), now)

    def _end_in_parent(self, batch: Kept, now: float) -> None:
        if batch.new.parent is not None:
            how = How.FAILED if batch.failed or batch.cancelled else How.SUCCEEDED
            self.ended(End(batch.new.parent, as_member(batch.new.id), how), now)

    def newest_first(self, after: str | None) -> Iterator[Kept]:
        """The batches behind that one, the newest first."""
        for batch_id in sorted(self.kept, reverse=True):
            if after is None or batch_id < after:
                yield self.kept[batch_id]


def _is_over(batch: Kept, now: float) -> bool:
    if batch.finished_at is None:
        return False
    kept = KEPT_FAILED if batch.failed or batch.cancelled else KEPT
    return batch.finished_at <= now - kept
