"""Telling what a memory store holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice

from jobkit.adapter import Presence, State
from jobkit.capabilities import (
    DayStats,
    JobFilter,
    QueueInfo,
    Stats,
    StoredJob,
    StoredPage,
    SupportsInspect,
    WorkerInfo,
)
from jobkit.clock import as_datetime
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.index import Index
from jobkit_inline.memory.records import Job, Key, Worker

__all__ = ["Inspection"]


class Inspection(Handle, SupportsInspect):
    """The inspect capability. A page without filters costs no more than its jobs."""

    def stats(self) -> Stats:
        with self._lock:
            days = self._store.days.values()
            return Stats(
                processed=sum(day.processed for day in days),
                failed=sum(day.failed for day in days),
                enqueued=self._store.size(State.ENQUEUED),
                scheduled=self._store.size(State.SCHEDULED),
                retry=self._store.size(State.RETRY),
                dead=self._store.size(State.DEAD),
                running=self._store.size(State.RUNNING),
                blocked=self._store.size(State.BLOCKED),
                workers=sum(1 for _ in self._listed_workers()),
            )

    def queues(self) -> list[QueueInfo]:
        with self._lock:
            now = self._clock.time()
            served = (name for _, _, presence in self._listed_workers() for name in presence.queues)
            names = {*self._store.queues(), *self._store.paused, *served}
            return [self._queue_info(name, now) for name in sorted(names)]

    def jobs(
        self,
        state: State,
        *,
        where: JobFilter = JobFilter(),
        limit: int = 50,
        after: str | None = None,
    ) -> StoredPage:
        with self._lock:
            behind = None if after is None else _key(after, state)
            listed = self._store.listed(state, where.queue, behind)
            found = list(islice(_matching(where, listed), limit + 1))
        items, more = found[:limit], len(found) > limit
        return StoredPage(_stored(items), _cursor(items[-1].key, state) if more else None)

    def find(self, ids: Sequence[str]) -> list[StoredJob]:
        with self._lock:
            found = [self._store.find(job_id) for job_id in ids]
        return [job.stored for job in found if job is not None]

    def workers(self) -> list[WorkerInfo]:
        with self._lock:
            listed = [self._worker_info(*each) for each in self._listed_workers()]
        return sorted(listed, key=lambda worker: worker.started_at)

    def history(self, days: int) -> list[DayStats]:
        with self._lock:
            today = as_datetime(self._clock.time()).date()
            dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
            return [self._store.days.get(date, DayStats(date, 0, 0)) for date in dates]

    def _listed_workers(self) -> Iterator[tuple[str, Worker, Presence]]:
        for name, worker in self._store.workers.items():
            if worker.presence is not None:
                yield name, worker, worker.presence

    def _queue_info(self, name: str, now: float) -> QueueInfo:
        index = self._store.queue(name)
        oldest = min(_oldest_by_priority(index), default=now)
        paused = name in self._store.paused
        return QueueInfo(name, len(index), max(0.0, now - oldest), paused)

    def _worker_info(self, name: str, worker: Worker, presence: Presence) -> WorkerInfo:
        return WorkerInfo(
            id=name,
            host=presence.host,
            pid=presence.pid,
            queues=presence.queues,
            concurrency=presence.concurrency,
            running=len(self._store.held(name)),
            quiet=presence.quiet,
            started_at=as_datetime(presence.started_at),
            beat_at=as_datetime(worker.beat_at),
            rss=presence.rss,
            embedded=presence.embedded,
        )


def _matching(where: JobFilter, jobs: Iterable[Job]) -> Iterator[Job]:
    return (
        job
        for job in jobs
        if where.queue in (None, job.envelope.queue)
        and where.job in (None, job.envelope.job_class)
        and (where.text or "") in job.text
    )


def _stored(jobs: Iterable[Job]) -> tuple[StoredJob, ...]:
    return tuple(job.stored for job in jobs)


def _oldest_by_priority(index: Index) -> Iterator[float]:
    """When the oldest job of each priority became enqueued: one look per priority, not per job."""
    job = index.first()
    while job is not None:
        yield job.run_at
        job = next(index.ascending((job.envelope.priority, float("inf"))), None)


def _cursor(key: Key, state: State) -> str:
    return json.dumps([state, *key])


def _key(cursor: str, state: State) -> Key:
    """The key in a cursor of that state's list. Raises ValueError for anything else."""
    try:
        made_for, *key = json.loads(cursor)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{cursor[:200]!a} is no cursor: take it from the page before") from error
    length = 3 if state is State.ENQUEUED else 2
    if made_for != state or [type(part) in (int, float) for part in key] != [True] * length:
        raise ValueError(f"{cursor[:200]!a} is no cursor for this list: take it from a page of it")
    return tuple(key)
