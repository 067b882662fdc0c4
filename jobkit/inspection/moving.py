"""Moving all jobs from one store to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from jobkit.adapter import Enqueues, State
from jobkit.batching import SupportsBatches, batch_of
from jobkit.capabilities import StoredJob, SupportsInspect, SupportsManage, require
from jobkit.restoring import SupportsRestore

__all__ = ["ORDER", "Moved", "move_all"]

ORDER: Final = (State.SCHEDULED, State.RETRY, State.ENQUEUED, State.BLOCKED, State.DEAD)
"""In the direction in which jobs move, so that one which falls due meanwhile is met again."""

_SLICE: Final = 500
_PASSES: Final = 5


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did: jobs by their state, and what it had to leave.

    `lost`: an equal unique job is there already. `changed`: jobs that were taken up, run or
    removed while they were moved; they are in both stores, and whoever did it may do it again.
    `running`: jobs that workers still hold. `batched`: members of batches, which stay where their
    batch is.
    """

    moved: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0
    changed: int = 0
    running: int = 0
    batched: int = 0


def move_all(
    source: Enqueues,
    target: Enqueues,
    *,
    on_progress: Callable[[int], object] = lambda moved: None,
) -> Moved:
    """Move every job that waits or is dead, in slices: first there, then away from here.

    Members of batches are left: their batch would take them for discarded, and end without them.

    Whenever it is interrupted each job is in one of the stores, or those of one slice in both;
    the next move goes on, and stores none twice. Raises AdapterError, and Unsupported for an
    adapter that cannot take part. No worker should be at the source meanwhile.
    """
    move = _Move(source, target, on_progress)
    while move.goes_on():
        pass
    return Moved(+move.moved, move.lost, move.changed, move.source.stats().running, move.batched)


class _Move:
    """One move: passes over all states, until one finds nothing."""

    def __init__(self, source: Enqueues, target: Enqueues, tell: Callable[[int], object]) -> None:
        self.source = require(source, SupportsInspect, "inspection")  # type: ignore[type-abstract]
        self._taker = require(source, SupportsManage, "changing jobs")  # type: ignore[type-abstract]
        self._giver = require(target, SupportsRestore, "taking jobs in")  # type: ignore[type-abstract]
        self._tell = tell
        self._passes = 0
        self.moved: Counter[str] = Counter()
        self.lost = 0
        self.batched = 0
        self._kept: dict[str, bool] = {}
        """Batches that jobs name, and whether they are there."""
        self._gone = 0
        self._left: set[str] = set()
        """Jobs that were not where they had been when they were to be removed."""

    @property
    def changed(self) -> int:
        """Jobs that are there, and were taken up here."""
        return self._gone + len(self._left)

    def goes_on(self) -> bool:
        """Make a pass; True when another one should follow."""
        self._passes += 1
        before = self.moved.total()
        self.lost = self.batched = 0  # they are met again
        for state in ORDER:
            self._move_state(state)
        return self.moved.total() > before and self._passes < _PASSES

    def _move_state(self, state: State) -> None:
        cursor: str | None = None
        while True:
            page = self.source.jobs(state, limit=_SLICE, after=cursor)
            free = [job for job in page.items if not self._is_member(job)]
            self.batched += len(page.items) - len(free)
            if free:
                self._move_slice(state, free)
            cursor = page.next
            if cursor is None:
                return

    def _is_member(self, job: StoredJob) -> bool:
        """True for a member of a batch that is still kept here."""
        batch = batch_of(job.payload)
        if not batch or not isinstance(self.source, SupportsBatches):
            return False
        if batch not in self._kept:
            self._kept[batch] = self.source.batch(batch) is not None
        return self._kept[batch]

    def _move_slice(self, state: State, jobs: Sequence[StoredJob]) -> None:
        winners = self._giver.restore(jobs)
        there = [job for job, winner in zip(jobs, winners, strict=True) if winner is None]
        removed = self._taker.delete(there) if there else 0
        self.moved[state.value] += removed
        self.lost += len(jobs) - len(there)
        if removed < len(there):
            self._note(there, len(there) - removed)
        else:
            self._left.difference_update(_id(job) for job in there)
        self._tell(self.moved.total())

    def _note(self, jobs: Sequence[StoredJob], number: int) -> None:
        """Some of these were not removed: what fell due is met again, the rest is told."""
        ids = [_id(job) for job in jobs]
        found = {_id(job) for job in self.source.find(ids)}
        self._left = (self._left - {*ids}) | found
        self._gone += max(0, number - len(found))


def _id(job: StoredJob) -> str:
    return job.id or job.payload.id
