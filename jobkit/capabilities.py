"""What an adapter may be able to do besides: small classes to mix in, asked for by `isinstance`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from jobkit.adapter import Claim, Settlement, State
from jobkit.errors import Unsupported
from jobkit.measures import SupportsMetrics
from jobkit.payload import Payload

__all__ = [
    "DayStats",
    "JobFilter",
    "LimitInfo",
    "Move",
    "QueueInfo",
    "Stats",
    "StoredEntry",
    "StoredJob",
    "StoredPage",
    "SupportsCheck",
    "SupportsInspect",
    "SupportsLimits",
    "SupportsManage",
    "SupportsMetrics",
    "SupportsMigrations",
    "SupportsPause",
    "SupportsTicks",
    "SupportsTransactions",
    "SupportsUnique",
    "SupportsWait",
    "WorkerInfo",
    "require",
]


@dataclass(frozen=True, slots=True)
class Stats:
    """Totals since the store began (`processed`, `failed`) and sizes now.

    `running` counts all that is claimed, prefetched jobs included.
    """

    processed: int = 0
    failed: int = 0
    enqueued: int = 0
    scheduled: int = 0
    retry: int = 0
    dead: int = 0
    running: int = 0
    blocked: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """One queue; `latency` is the age in seconds of its oldest enqueued job."""

    name: str
    size: int
    latency: float
    paused: bool


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker; `running` counts its claims, `rss` is its process's bytes, times are UTC.

    `embedded`: it runs in a program that is more than a worker, and cannot be stopped from outside.
    """

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    concurrency: int
    running: int
    quiet: bool
    started_at: datetime
    beat_at: datetime
    rss: int
    embedded: bool = field(default=False, metadata={"only_if_true": True})  # in JSON


@dataclass(frozen=True, slots=True)
class DayStats:
    """One day's totals (UTC)."""

    date: date
    processed: int
    failed: int


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job where it lies. `locator` finds it again without a search; opaque.

    `at` is wall time in seconds: when a waiting job is due, an enqueued one became so, a running
    one was claimed, a dead one died, a completed one ended. `id` is what `find` takes: the
    payload's own, or what the store calls a job whose payload has none or cannot be read. Empty,
    it is the payload's.
    """

    payload: Payload
    state: State
    locator: str
    at: float
    worker: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page of jobs; `next` is the cursor of the page behind it, None at the end."""

    items: tuple[StoredJob, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs: exact queue, exact class name, text that occurs in the payload."""

    queue: str | None = None
    job: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A stored job's new place: as `payload`, in `state` (enqueued, scheduled, retry or dead)."""

    job: StoredJob
    payload: Payload
    state: State


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """One limit in use: `used` of its `to` places are taken, `blocked` jobs wait for one.

    With `per`, in seconds, places are starts of the last so many seconds.
    """

    key: str
    to: int
    per: float | None
    used: int
    blocked: int


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A recurring entry as it lies in the store.

    `text` is the entry, opaque to the adapter; `owner` names who keeps it there. `last` is the
    latest tick that was enqueued, or when the entry began anew (wall time in seconds);
    `runs` the latest ticks that were enqueued with the ids of their jobs, newest first.
    """

    name: str
    text: str
    owner: str
    last: float
    paused: bool = False
    runs: tuple[tuple[float, str], ...] = ()


class SupportsWait(ABC):
    """Can wait for work without asking over and over."""

    @abstractmethod
    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """Return within `timeout` seconds, earlier when there may be work on the queues."""


class SupportsInspect(ABC):
    """Can tell what it holds. Everything bounded: a page costs the same whatever lies behind it."""

    @abstractmethod
    def stats(self) -> Stats:
        """The totals and sizes."""

    @abstractmethod
    def queues(self) -> list[QueueInfo]:
        """Queues with an enqueued job, paused, or served by a listed worker; by name."""

    @abstractmethod
    def jobs(
        self,
        state: State,
        *,
        where: JobFilter = JobFilter(),
        limit: int = 50,
        after: str | None = None,
    ) -> StoredPage:
        """A page of jobs in that state.

        Enqueued, scheduled and retry in the order they will be taken up, running oldest first,
        dead and completed newest first. `after` is the `next` of the page before, with the same
        state and filters. Raises ValueError, saying so, for text that is no such cursor.
        """

    @abstractmethod
    def find(self, ids: Sequence[str]) -> list[StoredJob]:
        """The stored jobs with these ids, in any state; unknown ids are left out."""

    @abstractmethod
    def workers(self) -> list[WorkerInfo]:
        """The registered workers that told their presence, oldest first."""

    @abstractmethod
    def history(self, days: int) -> list[DayStats]:
        """The last `days` days, oldest first, those without a job included."""


class SupportsManage(ABC):
    """Can change what waits. Running jobs belong to their worker and are never touched."""

    @abstractmethod
    def move(self, moves: Sequence[Move]) -> int:
        """Put each job elsewhere if it still is where its `StoredJob` says; the number moved.

        Where: in that state, with that very text. A job that ran meanwhile and came back has other
        text, so that what was seen on an old page overwrites no progress. Others are left alone,
        as is a job named twice the second time.
        """

    @abstractmethod
    def delete(self, jobs: Sequence[StoredJob]) -> int:
        """Remove each job that still is where its `StoredJob` says; the number removed.

        "Where" is meant as for `move`.
        """

    @abstractmethod
    def clear(self, queue: str) -> int:
        """Remove every enqueued job of the queue; the number removed."""

    @abstractmethod
    def order(self, worker: str, order: str) -> bool:
        """Leave an order ("quiet" or "stop") for a worker's next beat; False if there is none."""


class SupportsPause(ABC):
    """Can pause queues: nothing is claimed from them, everywhere, at once."""

    @abstractmethod
    def pause(self, queue: str) -> None:
        """Pause the queue; pausing twice is no error."""

    @abstractmethod
    def resume(self, queue: str) -> None:
        """Let the queue be claimed from again."""


class SupportsTicks(ABC):
    """Can keep recurring entries, and enqueue each of their ticks once."""

    @abstractmethod
    def entries(self) -> tuple[float, list[StoredEntry]]:
        """The store's wall time in seconds, and all entries by name."""

    @abstractmethod
    def put_entry(self, name: str, text: str, owner: str, *, anew: bool = False) -> None:
        """Keep an entry under its name, in place of what was kept there.

        Of a new one, and with `anew` of any, no tick before now comes.
        """

    @abstractmethod
    def remove_entry(self, name: str) -> bool:
        """Forget an entry; False when there is none."""

    @abstractmethod
    def pause_entry(self, name: str, *, paused: bool) -> bool:
        """Have an entry not tick, or tick again; what was missed meanwhile is over.

        False when there is none.
        """

    @abstractmethod
    def tick(self, name: str, at: float, payload: Payload) -> bool:
        """In one step record the tick `at` of an entry and enqueue its job; True when done here.

        Nothing happens when the entry is paused or gone, or its latest tick is not before `at`.
        """


class SupportsLimits(ABC):
    """Can keep jobs within limits (`jobkit.limits.limits_of` reads them from a payload).

    `claim` lends a job only while every limit it is under has a place for it, and takes those
    places in the same step. A place is the claim's own: it is free in the very step in which the
    job is settled (but by a Checkpoint), given back, or taken from its worker by `recover`, and
    what a void claim does later changes nothing. A start counts for its `per` seconds, however
    the job ends; only a Release that is not `started` takes it back.

    What comes to its turn and finds no place becomes `blocked` and is met by no other claim. When
    places are free, of each queue as many as would fit become enqueued again, by priority and
    age, unchanged, and compete by what they were: whoever waits for work is woken. `maintain` does
    that for starts that grew old, and its `due_in` counts them. Where the full limit discards,
    the job is lent at once with `Claim.full`, and takes no place.

    Jobs under no limit cost nothing of all this.
    """

    @abstractmethod
    def limits(self) -> list[LimitInfo]:
        """The limits that have places taken or jobs waiting, by key; `to` as last seen."""


class SupportsUnique(ABC):
    """Can hold one job of a lock at a time (`jobkit.locks.Lock.of` reads it from a payload).

    A lock holds while its job does, whoever ends that by whatever verb: "success" until the job is
    acked, buried or deleted; "start" until it is claimed, and not for its retries; one that ends by
    time until then, whatever becomes of the job. A job with "success" that is moved out of the
    dead set must have its lock again, or is left alone like one that is no longer there.
    `SupportsTicks.tick` obeys too: where another holds the lock the tick is recorded, and nothing
    is enqueued.
    """

    @abstractmethod
    def enqueue_unique(
        self, payloads: Sequence[Payload], *, through: Any = None
    ) -> list[str | None]:
        """`enqueue` for jobs of which some have locks; for each the id of the job it lost to.

        None for what is stored, the same id again included. Of equal jobs of one call the first
        is stored. With "replace" a job that waits gives way; one that does not wait wins. With
        "raise" a conflict raises DuplicateJob, and nothing of the call is stored. Whoever meets
        a job of a transaction that is still open waits for its end.

        `through` is the connection of a transaction of the application's, for an adapter that
        `SupportsTransactions`.
        """


class SupportsCheck(ABC):
    """Can tell before a worker starts what would go wrong."""

    @abstractmethod
    def check(self) -> list[str]:
        """What is wrong with the store and what to do, a line each; empty when all is well."""


class SupportsMigrations(SupportsCheck):
    """Keeps its jobs in a schema that grows from version to version."""

    @abstractmethod
    def schema_version(self) -> int:
        """The version of the schema that is there; 0 when there is none."""

    def pending(self) -> list[str]:
        """The migrations that the first use will apply, unasked. Changes nothing."""
        return []

    @abstractmethod
    def migrate(self) -> list[str]:
        """Bring the schema up to date, beside running workers; the names of what was applied."""

    @abstractmethod
    def migrations_sql(self) -> str:
        """The statements of every migration, for those who apply them by hand. Connects nowhere."""


class SupportsTransactions(ABC):
    """Can store and settle inside a transaction of the application's own.

    `connection` is the synchronous SQLAlchemy connection that the transaction is on.
    """

    @abstractmethod
    def shares(self, connection: Any) -> bool:
        """True when the connection leads to the very database that the jobs are in."""

    @abstractmethod
    def enqueue_through(self, connection: Any, payloads: Sequence[Payload]) -> None:
        """`enqueue` as a part of the connection's transaction; commits nothing."""

    @abstractmethod
    def settle_through(self, connection: Any, settlements: Sequence[Settlement]) -> list[Claim]:
        """`settle` as a part of the connection's transaction; commits nothing."""


Capability = TypeVar("Capability")


def require(adapter: object, capability: type[Capability], feature: str) -> Capability:
    """The adapter as that capability. Raises Unsupported, naming adapter and feature."""
    if isinstance(adapter, capability):
        return adapter
    raise Unsupported(f"{type(adapter).__name__} does not support {feature}")
