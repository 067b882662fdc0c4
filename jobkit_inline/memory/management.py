"""Changing what waits in a memory store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobkit.adapter import State
from jobkit.batching import How
from jobkit.capabilities import Move, StoredJob, SupportsManage, SupportsPause
from jobkit.locks import Lock, Until
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Job
from jobkit_inline.memory.store import OVER, WAITING

__all__ = ["Management"]


class Management(Handle, SupportsManage, SupportsPause):
    """The manage and pause capabilities."""

    def move(self, moves: Sequence[Move]) -> int:
        with self._lock:
            return sum(self._move(move) for move in moves)

    def delete(self, jobs: Sequence[StoredJob]) -> int:
        with self._lock:
            return sum(self._delete(job) for job in jobs)

    def clear(self, queue: str) -> int:
        with self._lock:
            jobs = list(self._store.queue(queue))
            for job in jobs:
                self._remove(job)
            return len(jobs)

    def order(self, worker: str, order: str) -> bool:
        with self._lock:
            known = self._store.workers.get(worker)
            if known is not None:
                self._store.workers[worker] = replace(known, orders=known.orders | {order})
            return known is not None

    def pause(self, queue: str) -> None:
        with self._lock:
            self._store.paused.add(queue)

    def resume(self, queue: str) -> None:
        with self._lock:
            self._store.paused.discard(queue)
            self._lock.notify_all()

    def _move(self, move: Move) -> bool:
        job = self._store.still(move.job)
        if job is None or (lock := self._lock_for(job, move)) is None:
            return False
        moved = self._moved(job.rewritten(move.payload), move.state)
        self._store.move(job, replace(moved, lock=lock))
        if move.state is State.DEAD:
            self._store.end_member(job, How.FAILED, self._clock.time())
        elif job.state is State.DEAD and job.envelope.batch:
            self._store.batches.revived(job.envelope.batch, job.id)
        return True

    def _lock_for(self, job: Job, move: Move) -> str | None:
        """The lock it has there; None when it must have it again, and another one holds it."""
        lock = Lock.of(move.payload)
        if lock is None or lock.until is not Until.SUCCESS:
            return job.lock
        if job.state is not State.DEAD or move.state is State.DEAD:
            return job.lock
        return lock.name if self._store.holder(lock.name) is None else None

    def _moved(self, job: Job, state: State) -> Job:
        now = self._clock.time()
        if state is State.DEAD:
            return job.ended(state, now)
        return job.postponed(state, now) if state in WAITING else job.waiting(now)

    def _delete(self, seen: StoredJob) -> bool:
        job = self._store.still(seen)
        if job is not None:
            self._remove(job)
        return job is not None

    def _remove(self, job: Job) -> None:
        self._store.remove(job)
        if job.state not in OVER:  # a dead one stays what it was to its batch
            self._store.end_member(job, How.REMOVED, self._clock.time())
