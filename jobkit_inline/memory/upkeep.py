"""What has to be done to a memory store from time to time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Final

from jobkit.adapter import Maintenance, Pulse, State
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Job

__all__ = ["Upkeep"]

_DAY: Final = 86_400.0


class Upkeep(Handle):
    """Promotes what is due and trims what was kept long enough."""

    def maintain(self, *, limit: int) -> Maintenance:
        with self._lock:
            now = self._clock.time()
            self._store.call(self._store.quotas.aged(now))
            return Maintenance(
                promoted=self._promote(now, limit),
                trimmed=self._trim(now, limit),
                due_in=self._due_in(now),
                workers={
                    name: Pulse(worker.beat, worker.lease)
                    for name, worker in self._store.workers.items()
                },
            )

    def _promote(self, now: float, limit: int) -> int:
        due = takewhile(lambda job: job.at <= now, self._store.waiting())
        jobs = list(islice(due, limit))
        for job in jobs:
            self._store.move(job, job.waiting(job.run_at))
        return len(jobs)

    def _due_in(self, now: float) -> float | None:
        following = self._store.next_at()
        return None if following is None else max(0.0, following - now)

    def _trim(self, now: float, limit: int) -> int:
        jobs = [*self._surplus(now, limit), *self._forgettable(now, limit)]
        for job in jobs:
            self._store.remove(job)
        self._store.batches.trim(now, limit)
        self._store.forget_results(now)
        return len(jobs)

    def _surplus(self, now: float, limit: int) -> Iterator[Job]:
        """Of the dead those that are too many or too old: the oldest in either case."""
        dead = self._store.place(State.DEAD)
        too_many = len(dead) - self._retention.dead_max
        too_old = now - self._retention.dead_days * _DAY
        for nth, job in enumerate(islice(dead, limit)):
            if nth < too_many or job.at <= too_old:
                yield job

    def _forgettable(self, now: float, limit: int) -> Iterator[Job]:
        ended = now - self._retention.keep_finished
        finished = takewhile(lambda job: job.at <= ended, self._store.place(State.COMPLETED))
        return islice(finished, limit)
