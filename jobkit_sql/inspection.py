"""Sizes, queues, workers and history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Text, func, literal, select, union_all

from jobkit.adapter import State
from jobkit.capabilities import DayStats, QueueInfo, Stats, WorkerInfo
from jobkit.clock import as_datetime
from jobkit_sql.counters import Counters
from jobkit_sql.registry import Listed, Registry
from jobkit_sql.store import Store
from jobkit_sql.tables import blocked, in_state, jobs, paused

__all__ = ["Inspection"]

_COUNTED: Final = (State.ENQUEUED, State.SCHEDULED, State.RETRY, State.DEAD, State.RUNNING)
# Each part walks the index of its state; a GROUP BY would read the whole table.
_SIZES: Final = union_all(
    *(
        select(literal(state.value, Text), func.count()).select_from(jobs).where(in_state(state))
        for state in _COUNTED
    ),
    select(literal(State.BLOCKED.value, Text), func.count())
    .select_from(blocked)
    .where(blocked.c.called == 0),
)
_QUEUES: Final = (
    select(jobs.c.queue, func.count(), func.min(jobs.c.run_at))
    .where(in_state(State.ENQUEUED))
    .group_by(jobs.c.queue)
)
_PAUSED: Final = select(paused.c.queue)
_HOLDINGS: Final = (
    select(jobs.c.worker, func.count()).where(in_state(State.RUNNING)).group_by(jobs.c.worker)
)


class Inspection:
    """Counts what is there."""

    def __init__(self, store: Store, registry: Registry, counters: Counters) -> None:
        self._store = store
        self._registry = registry
        self._counters = counters

    def stats(self) -> Stats:
        """See `SupportsInspect.stats`."""
        with self._store.reading() as connection:
            processed, failed = self._counters.totals(connection)
            sizes = dict(connection.execute(_SIZES).all())
            workers = len(self._registry.listed(connection))
        return Stats(processed=processed, failed=failed, workers=workers, **sizes)

    def queues(self) -> list[QueueInfo]:
        """See `SupportsInspect.queues`."""
        now = self._store.time()
        with self._store.reading() as connection:
            sizes = {name: (size, oldest) for name, size, oldest in connection.execute(_QUEUES)}
            stopped = set(connection.scalars(_PAUSED))
            served = _served(self._registry.listed(connection))
        infos = []
        for name in sorted({*sizes, *stopped, *served}):
            size, oldest = sizes.get(name, (0, now))
            latency = max(0.0, now - oldest)
            infos.append(QueueInfo(name, size=size, latency=latency, paused=name in stopped))
        return infos

    def workers(self) -> list[WorkerInfo]:
        """See `SupportsInspect.workers`."""
        with self._store.reading() as connection:
            running: dict[str, int] = dict(connection.execute(_HOLDINGS).all())
            listed = self._registry.listed(connection)
        return [_info(worker, running.get(worker.id, 0)) for worker in listed]

    def history(self, days: int) -> list[DayStats]:
        """See `SupportsInspect.history`."""
        now = self._store.time()
        with self._store.reading() as connection:
            return self._counters.history(connection, now, days)


def _served(workers: Iterable[Listed]) -> set[str]:
    return {queue for worker in workers for queue in worker.presence.queues}


def _info(worker: Listed, running: int) -> WorkerInfo:
    presence = worker.presence
    return WorkerInfo(
        id=worker.id,
        host=presence.host,
        pid=presence.pid,
        queues=presence.queues,
        concurrency=presence.concurrency,
        running=running,
        quiet=presence.quiet,
        started_at=as_datetime(presence.started_at),
        beat_at=as_datetime(worker.beat_at),
        rss=presence.rss,
        embedded=presence.embedded,
    )
