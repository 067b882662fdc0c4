"""Cancelling jobs of a memory store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobkit.adapter import State
from jobkit.batching import How
from jobkit.cancelling import CANCEL, SupportsCancel, is_marked, marked
from jobkit.capabilities import StoredJob
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Job
from jobkit_inline.memory.store import OVER

__all__ = ["Cancelling"]


class Cancelling(Handle, SupportsCancel):
    """Removes what waits, and marks what runs."""

    def cancel(self, jobs: Sequence[StoredJob]) -> int:
        with self._lock:
            return sum(self._cancel(job) for job in jobs)

    def _cancel(self, seen: StoredJob) -> bool:
        if seen.state in OVER:
            return False
        if seen.state is State.RUNNING:
            job = self._store.find(seen.id)
            return job is not None and job.at == seen.at and self._mark(job)
        waiting = self._store.still(seen)
        if waiting is not None:
            self._store.remove(waiting)
            self._store.end_member(waiting, How.REMOVED, self._clock.time())
        return waiting is not None

    def _mark(self, job: Job) -> bool:
        if job.worker is None or is_marked(job.text) or marked(job.text) == job.text:
            return False
        self._store.move(job, replace(job, text=marked(job.text)))
        worker = self._store.workers.get(job.worker)
        if worker is not None:
            orders = worker.orders | {CANCEL + job.receipt}
            self._store.workers[job.worker] = replace(worker, orders=orders)
        return True
