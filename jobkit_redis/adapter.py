"""The Redis adapter: every verb of the protocol, each in the module that bears its name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Self

from jobkit.adapter import (
    Ack,
    Adapter,
    Beat,
    Bury,
    Claim,
    Features,
    Maintenance,
    Presence,
    Retention,
    Settlement,
    State,
)
from jobkit.batching import BatchInfo, BatchPage, Members, NewBatch, SupportsBatches
from jobkit.cancelling import SupportsCancel
from jobkit.capabilities import (
    DayStats,
    JobFilter,
    LimitInfo,
    Move,
    QueueInfo,
    Stats,
    StoredEntry,
    StoredJob,
    StoredPage,
    SupportsCheck,
    SupportsInspect,
    SupportsLimits,
    SupportsManage,
    SupportsPause,
    SupportsTicks,
    SupportsUnique,
    SupportsWait,
    WorkerInfo,
)
from jobkit.clock import Clock
from jobkit.errors import AdapterError
from jobkit.measures import Measure, MinuteStats, SupportsMetrics
from jobkit.offering import SupportsOffers
from jobkit.payload import Payload
from jobkit.restoring import SupportsRestore
from jobkit.results import SupportsResults
from jobkit_redis.batching import Batches
from jobkit_redis.checks import advice, problems, server_info
from jobkit_redis.claim import Take
from jobkit_redis.enqueue import Enqueue
from jobkit_redis.inspection import Inspection
from jobkit_redis.limiting import Limits
from jobkit_redis.listing import Listing
from jobkit_redis.maintain import Maintain
from jobkit_redis.manage import Manage
from jobkit_redis.measuring import Measuring
from jobkit_redis.registry import Registry
from jobkit_redis.restoring import Restore
from jobkit_redis.results import Results
from jobkit_redis.settle import Settle
from jobkit_redis.store import Store
from jobkit_redis.strays import Strays
from jobkit_redis.ticks import Ticks
from jobkit_redis.unique import EnqueueUnique
from jobkit_redis.url import Location
from jobkit_redis.workers import Workers

__all__ = ["RedisAdapter"]

_NOT_WAITING = (State.RUNNING, State.DEAD, State.COMPLETED)

_log = logging.getLogger("jobkit.redis")


class RedisAdapter(
    Adapter,
    SupportsWait,
    SupportsOffers,
    SupportsInspect,
    SupportsManage,
    SupportsCancel,
    SupportsMetrics,
    SupportsPause,
    SupportsRestore,
    SupportsResults,
    SupportsTicks,
    SupportsUnique,
    SupportsLimits,
    SupportsBatches,
    SupportsCheck,
):
    """Jobs in Redis 6.2 or newer, or Valkey, named by a URL (see `jobkit_redis.url`).

    Keys and payloads are Sidekiq's, under the prefix `{jobkit}:`; with `?namespace=` in the URL
    they are bare, so that Ruby's programs and pages see them. How much survives a restart is the
    server's own setting. Raises ConfigurationError for a URL it cannot use.
    """

    features = Features(durable=True, gather=0.005, quick=True)

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        retention: Retention = Retention(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store = Store(Location.of(url), clock)
        registry = Registry(store)
        self._keeps = retention.keep_finished > 0
        self._enqueue = Enqueue(store)
        self._take = Take(store)
        self._settle = Settle(store, keep_finished=self._keeps)
        self._workers = Workers(store)
        self._maintain = Maintain(store, retention)
        self._listing = Listing(store, registry)
        self._inspection = Inspection(store, registry)
        self._measuring = Measuring(store)
        self._limits = Limits(store)
        self._manage = Manage(store)
        self._unique = EnqueueUnique(store, self._enqueue, self._inspection.find)
        self._restore = Restore(store)
        self._results = Results(store)
        self._batches = Batches(store, self._unique)
        self._strays = Strays(store, self._inspection.missing)
        self._ticks = Ticks(store, self._unique)

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock | None = None, retention: Retention | None = None
    ) -> Self:
        return cls(url, clock=clock, retention=retention or Retention())

    # Working.

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        self._enqueue(payloads)

    def enqueue_unique(
        self, payloads: Sequence[Payload], *, through: Any = None
    ) -> list[str | None]:
        del through  # no transaction of a database's reaches here
        return self._unique(payloads)

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        return self._take(queues, limit=limit, worker=worker)

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        if any(
            isinstance(each, Bury) or (self._keeps and isinstance(each, Ack))
            for each in settlements
        ):
            self._maintain.kept()
        return self._settle(settlements)

    def beat(
        self,
        worker: str,
        *,
        lease: float,
        claims: Sequence[Claim] | None,
        register: bool = False,
        presence: Presence | None = None,
    ) -> Beat:
        if register and presence is not None:
            self._warn()
        beat = self._workers.beat(
            worker, lease=lease, claims=claims, register=register, presence=presence
        )
        if not beat.registered:
            self._take.forget(worker)
        return beat

    def maintain(self, *, limit: int) -> Maintenance:
        self._store.here.listener.take_in()
        self._batches.upkeep()
        self._strays.upkeep()
        return self._maintain(limit=limit)

    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        self._take.forget(worker)
        return self._workers.recover(worker, to=to, beat=beat)

    def retire(self, worker: str) -> int:
        self._take.forget(worker)
        self._store.here.listener.close()  # who leaves does not read it any more
        return self._workers.retire(worker)

    def held(self, worker: str) -> list[Claim]:
        return self._workers.held(worker)

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        self._take.wait(queues, timeout)

    def offer(self, queues: Sequence[str], timeout: float, *, worker: str) -> list[Claim]:
        return self._take.offer(queues, timeout, worker)

    def withdraw(self, worker: str) -> list[Claim]:
        return self._take.withdraw(worker)

    def close(self) -> None:
        self._store.close()

    # Inspecting and managing.

    def stats(self) -> Stats:
        return self._inspection.stats()

    def queues(self) -> list[QueueInfo]:
        return self._inspection.queues()

    def jobs(
        self,
        state: State,
        *,
        where: JobFilter = JobFilter(),
        limit: int = 50,
        after: str | None = None,
    ) -> StoredPage:
        return self._listing.page(state, where=where, limit=limit, after=after)

    def find(self, ids: Sequence[str]) -> list[StoredJob]:
        return self._inspection.find(ids)

    def workers(self) -> list[WorkerInfo]:
        return self._inspection.workers()

    def history(self, days: int) -> list[DayStats]:
        return self._inspection.history(days)

    def record(self, measures: Sequence[Measure]) -> None:
        self._measuring.record(measures)

    def minutes(self, hours: int) -> list[MinuteStats]:
        return self._measuring.minutes(hours)

    def measures(self, hours: int) -> list[Measure]:
        return self._measuring.measures(hours)

    def move(self, moves: Sequence[Move]) -> int:
        if any(move.state is State.DEAD for move in moves):
            self._maintain.kept()
        return self._manage.move(moves)

    def delete(self, jobs: Sequence[StoredJob]) -> int:
        return self._manage.delete(jobs)

    def restore(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        return self._restore(jobs)

    def cancel(self, jobs: Sequence[StoredJob]) -> int:
        waiting = [each for each in jobs if each.state not in _NOT_WAITING]
        running = [each for each in jobs if each.state is State.RUNNING]
        return self._manage.delete(waiting) + sum(map(self._workers.cancel, running))

    def clear(self, queue: str) -> int:
        return self._manage.clear(queue)

    def order(self, worker: str, order: str) -> bool:
        return self._workers.order(worker, order)

    def pause(self, queue: str) -> None:
        self._manage.pause(queue)

    def resume(self, queue: str) -> None:
        self._manage.resume(queue)

    # Batches.

    def enqueue_batch(
        self,
        batch: str,
        payloads: Sequence[Payload],
        *,
        opens: NewBatch | None = None,
        closes: bool = False,
        through: Any = None,
    ) -> list[str | None]:
        del through  # no transaction of a database's reaches here
        return self._batches.enqueue(batch, payloads, opens=opens, closes=closes)

    def batch(self, batch_id: str) -> BatchInfo | None:
        return self._batches.find(batch_id)

    def batches(self, *, limit: int = 50, after: str | None = None) -> BatchPage:
        return self._batches.page(limit, after)

    def members(
        self, batch_id: str, *, failed: bool, limit: int = 500, after: str | None = None
    ) -> Members:
        return self._batches.members(batch_id, failed=failed, limit=limit, after=after)

    def cancel_batch(self, batch_id: str, *, forget: bool = False) -> bool:
        return self._batches.cancel(batch_id, forget=forget)

    # Results.

    def result(self, job_id: str) -> str | None:
        return self._results.find(job_id)

    # Recurring entries.

    def entries(self) -> tuple[float, list[StoredEntry]]:
        return self._ticks.entries()

    def put_entry(self, name: str, text: str, owner: str, *, anew: bool = False) -> None:
        self._ticks.put(name, text, owner, anew=anew)

    def remove_entry(self, name: str) -> bool:
        return self._ticks.remove(name)

    def pause_entry(self, name: str, *, paused: bool) -> bool:
        return self._ticks.pause(name, paused=paused)

    def tick(self, name: str, at: float, payload: Payload) -> bool:
        return self._ticks.tick(name, at, payload)

    # Limits.

    def limits(self) -> list[LimitInfo]:
        return self._limits()

    # The server.

    def check(self) -> list[str]:
        """What keeps workers from using the server, or loses jobs; empty when nothing does."""
        try:
            info = server_info(self._store.here.pool)
        except AdapterError as error:
            return [str(error)]
        for line in advice(info):
            _log.warning("%s", line)
        return problems(info, self._store.location.namespace)

    def _warn(self) -> None:
        """Tell at start-up what is wrong with the server; it is used all the same."""
        try:
            info = server_info(self._store.here.pool)
        except AdapterError:
            return  # a server that is away is told by the beat; one that tells nothing may do so
        for line in (*problems(info, self._store.location.namespace), *advice(info)):
            _log.warning("%s", line)
