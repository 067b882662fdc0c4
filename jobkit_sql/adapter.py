"""The SQL adapter: every verb of the protocol, each in the module that bears its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from jobkit.adapter import (
    Adapter,
    Beat,
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
    SupportsInspect,
    SupportsLimits,
    SupportsManage,
    SupportsMigrations,
    SupportsPause,
    SupportsTicks,
    SupportsTransactions,
    SupportsUnique,
    SupportsWait,
    WorkerInfo,
)
from jobkit.clock import Clock
from jobkit.errors import AdapterError, ConfigurationError
from jobkit.measures import Measure, MinuteStats, SupportsMetrics
from jobkit.payload import Payload
from jobkit.restoring import SupportsRestore
from jobkit.results import SupportsResults
from jobkit_sql.batching import Batches
from jobkit_sql.cancelling import Cancel
from jobkit_sql.claim import Take
from jobkit_sql.counters import Counters
from jobkit_sql.dialect import Dialect
from jobkit_sql.enqueue import Enqueue
from jobkit_sql.enqueue_batch import EnqueueBatch, ListBatches
from jobkit_sql.inspection import Inspection
from jobkit_sql.joining import Joining
from jobkit_sql.lending import Lending
from jobkit_sql.limiting import Limiting
from jobkit_sql.listing import Listing
from jobkit_sql.locking import Locks
from jobkit_sql.maintain import Maintain
from jobkit_sql.manage import Manage
from jobkit_sql.measuring import Measuring
from jobkit_sql.registry import Registry
from jobkit_sql.restoring import Restore
from jobkit_sql.results import Results
from jobkit_sql.settle import Settle
from jobkit_sql.store import Store
from jobkit_sql.strays import Strays
from jobkit_sql.ticks import Ticks
from jobkit_sql.unique import EnqueueUnique
from jobkit_sql.workers import Workers

__all__ = ["SqlAdapter"]


class SqlAdapter(
    Adapter,
    SupportsWait,
    SupportsInspect,
    SupportsManage,
    SupportsCancel,
    SupportsPause,
    SupportsRestore,
    SupportsResults,
    SupportsLimits,
    SupportsMetrics,
    SupportsBatches,
    SupportsTicks,
    SupportsMigrations,
    SupportsTransactions,
    SupportsUnique,
):
    """Jobs in a SQL database, named by a SQLAlchemy URL (`sqlite:///jobkit.db`) or an engine.

    Of an engine only the URL is used: the adapter keeps connections of its own, so that jobs
    which exhaust the application's pool cannot stop the worker. A SQLite file is made and
    migrated at first use. Raises ConfigurationError for a URL it cannot use.
    """

    features = Features(durable=True)

    def __init__(
        self,
        url: str | URL | Engine,
        *,
        clock: Clock | None = None,
        retention: Retention = Retention(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store = Store(_dialect(_url(url)), clock)
        lending, registry = Lending(store.dialect), Registry(store.dialect)
        counters = Counters(store.dialect)
        self._joining = Joining(store)
        self._enqueue = Enqueue(store)
        locks = Locks(store.dialect)
        self._limiting = limiting = Limiting(store.dialect)
        batches = Batches(store.dialect)
        strays = Strays(store, batches)
        self._enqueue_unique = EnqueueUnique(store, locks, batches)
        self._enqueue_batch = EnqueueBatch(store, batches, self._enqueue_unique)
        self._batches = ListBatches(store)
        self._take = Take(store, lending, registry, limiting)
        self._results = Results(store)
        self._settle = Settle(
            store,
            lending,
            counters,
            locks,
            limiting=limiting,
            batches=batches,
            results=self._results,
            keep_finished=retention.keep_finished > 0,
        )
        self._workers = Workers(store, lending, registry, limiting)
        self._maintain = Maintain(store, registry, limiting, strays, retention)
        self._listing = Listing(store)
        self._inspection = Inspection(store, registry, counters)
        self._measuring = Measuring(store)
        self._restore = Restore(store, locks)
        self._manage = Manage(store, locks, limiting, batches, strays)
        self._cancel = Cancel(store, registry, self._manage.delete)
        self._ticks = Ticks(store, self._enqueue_unique)

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
        if through is None:
            return self._enqueue_unique(payloads)
        with self._joining.inside(through):
            return self._enqueue_unique.through(through, payloads)

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        return self._take(queues, limit=limit, worker=worker)

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
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
        return self._workers.beat(
            worker, lease=lease, claims=claims, register=register, presence=presence
        )

    def maintain(self, *, limit: int) -> Maintenance:
        return self._maintain(limit=limit)

    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        return self._workers.recover(worker, to=to, beat=beat)

    def retire(self, worker: str) -> int:
        return self._workers.retire(worker)

    def held(self, worker: str) -> list[Claim]:
        return self._workers.held(worker)

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        self._store.wait(queues, timeout)

    def close(self) -> None:
        self._store.close()

    # Inside a transaction of the application's.

    def shares(self, connection: Any) -> bool:
        return self._joining.shares(connection)

    def enqueue_through(self, connection: Any, payloads: Sequence[Payload]) -> None:
        with self._joining.inside(connection):
            self._enqueue.through(connection, payloads)

    def settle_through(self, connection: Any, settlements: Sequence[Settlement]) -> list[Claim]:
        with self._joining.inside(connection):
            return self._settle.through(connection, settlements)

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
        return self._listing.find(ids)

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
        return self._manage.move(moves)

    def delete(self, jobs: Sequence[StoredJob]) -> int:
        return self._manage.delete(jobs)

    def restore(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        return self._restore(jobs)

    def cancel(self, jobs: Sequence[StoredJob]) -> int:
        return self._cancel(jobs)

    def clear(self, queue: str) -> int:
        return self._manage.clear(queue)

    def order(self, worker: str, order: str) -> bool:
        return self._workers.order(worker, order)

    def pause(self, queue: str) -> None:
        self._manage.pause(queue)

    def resume(self, queue: str) -> None:
        self._manage.resume(queue)

    # Limits.

    def limits(self) -> list[LimitInfo]:
        now = self._store.time()
        with self._store.reading() as connection:
            return self._limiting.infos(connection, now)

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
        if through is None:
            return self._enqueue_batch(batch, payloads, opens=opens, closes=closes)
        with self._joining.inside(through):
            return self._enqueue_batch.through(through, batch, payloads, opens=opens, closes=closes)

    def batch(self, batch_id: str) -> BatchInfo | None:
        return self._batches.find(batch_id)

    def batches(self, *, limit: int = 50, after: str | None = None) -> BatchPage:
        return self._batches.page(limit, after)

    def members(
        self, batch_id: str, *, failed: bool, limit: int = 500, after: str | None = None
    ) -> Members:
        return self._batches.members(batch_id, failed=failed, limit=limit, after=after)

    def cancel_batch(self, batch_id: str, *, forget: bool = False) -> bool:
        return self._enqueue_batch.cancel(batch_id, forget=forget)

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

    # The schema.

    def schema_version(self) -> int:
        return self._store.version()

    def check(self) -> list[str]:
        """What keeps workers from using the database, a line each; empty when nothing does.

        Changes nothing: see `pending` for what a worker would do first with a SQLite file.
        """
        try:
            self._store.check()
        except AdapterError as error:
            return [str(error)]
        return []

    def pending(self) -> list[str]:
        return self._store.pending()

    def migrate(self) -> list[str]:
        return self._store.migrate()

    def migrations_sql(self) -> str:
        return self._store.schema.sql


def _url(url: str | URL | Engine) -> URL:
    if isinstance(url, Engine):
        return url.url
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # Without its cause, which may show the URL and the password in it.
        raise ConfigurationError(
            "the URL of the database cannot be read: write it as in sqlite:///jobkit.db"
        ) from None


def _dialect(url: URL) -> Dialect:
    match url.get_backend_name():
        case "sqlite":
            # Two megabytes, of which PostgreSQL needs nothing.
            from jobkit_sql.dialects.sqlite import Sqlite  # noqa: PLC0415 - as above

            return Sqlite(url)
        case "postgresql" | "postgres":
            return _postgresql(url)
        case other:
            raise ConfigurationError(f"jobkit stores no jobs in {other}: use sqlite:///jobkit.db")


def _postgresql(url: URL) -> Dialect:
    try:
        from jobkit_sql.dialects.postgresql import Postgresql  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'PostgreSQL needs {error.name}: install it with: pip install "jobkit[postgres]"'
        ) from error
    return Postgresql(url)
