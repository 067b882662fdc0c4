"""The adapter protocol: moving payloads between places, without ever deciding why.

An adapter is the code for one store. Every verb takes and gives many at once, is one transaction
or one script, and is safe from any thread. Driver errors leave it as `AdapterError`, no driver
type stands in a signature. Optional abilities are the small classes of `jobkit.capabilities`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from jobkit.clock import Clock
from jobkit.payload import Payload
from jobkit.results import Result

__all__ = [
    "Ack",
    "Adapter",
    "Beat",
    "Bury",
    "Checkpoint",
    "Claim",
    "Enqueues",
    "Features",
    "Maintenance",
    "Presence",
    "Pulse",
    "Release",
    "Requeue",
    "Retention",
    "Settlement",
    "State",
    "Tally",
]


class State(StrEnum):
    """Where a job is, as users see it."""

    ENQUEUED = "enqueued"
    SCHEDULED = "scheduled"
    RETRY = "retry"
    RUNNING = "running"
    DEAD = "dead"
    BLOCKED = "blocked"
    COMPLETED = "completed"


class Tally(StrEnum):
    """What a settlement adds to the totals: a failed run counts as processed and as failed."""

    PROCESSED = "processed"
    FAILED = "failed"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Features:
    """What an adapter promises and has no method for.

    `max_payload` in bytes, None = no limit; `gather` is how long it pays to wait for more outcomes
    before they are settled together, in seconds. `quick`: to claim or to settle many takes far less
    time than to run them takes, tiny as they may be, so that a thread which runs jobs may do so.
    """

    durable: bool
    fenced: bool = True
    priority: bool = True
    max_payload: int | None = None
    gather: float = 0.01
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """What a store keeps: the dead set's size and days, seconds a finished job stays readable."""

    dead_max: int = 10_000
    dead_days: float = 180
    keep_finished: float = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A job lent to a worker. `receipt` is opaque and fences: a stale one changes nothing.

    `deliveries` is the payload's own: how often the job was lent again after its worker was lost.
    No adapter counts it; the core writes it with the settlement that follows a recovery. Where the
    text cannot be read, it is what the text before it said, or 0.

    `full` is the key of a limit that drops what is over it: the job is lent to be discarded, and
    takes no place in any limit.
    """

    payload: Payload
    receipt: str
    deliveries: int = 0
    full: str | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """Done: the job leaves the store (or becomes `completed` while finished jobs are kept).

    A `result` is given to stores that `SupportsResults` only; of a Bury, too.
    """

    claim: Claim
    tally: Tally = Tally.PROCESSED
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Requeue:
    """Back to waiting as `payload`: enqueued, or scheduled or retry until its `scheduled_at`.

    With `head` it keeps its place in age, so that it goes before what came after it; otherwise,
    enqueued, it is as old as this settlement. `scheduled_at` in the past, or none, is due at once.
    """

    claim: Claim
    payload: Payload
    state: State
    head: bool = False
    tally: Tally = Tally.NEITHER


@dataclass(frozen=True, slots=True)
class Bury:
    """Into the dead set, as `payload`."""

    claim: Claim
    payload: Payload
    tally: Tally = Tally.FAILED
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """New text for a job that goes on running: the claim is kept."""

    claim: Claim
    payload: Payload


@dataclass(frozen=True, slots=True)
class Release:
    """Back to the head of its queue, unchanged.

    Not `started`, no run of it began, and it counts for no limit on starts.
    """

    claim: Claim
    started: bool = field(default=True, compare=False)


Settlement = Ack | Requeue | Bury | Checkpoint | Release


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker tells about itself. `started_at` is wall time in seconds, `rss` bytes.

    `embedded`: it runs in a program that is more than a worker, and is not stopped from outside.
    """

    host: str
    pid: int
    queues: tuple[str, ...]
    concurrency: int
    started_at: float
    quiet: bool = False
    rss: int = 0
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a beat: which of the claims are no longer held or were cancelled.

    `orders` holds what was asked of the worker from outside: "quiet", "stop".
    """

    registered: bool
    lost: tuple[Claim, ...] = ()
    cancelled: tuple[Claim, ...] = ()
    orders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pulse:
    """A worker's beat counter and the lease it published, in seconds."""

    beat: int
    lease: float


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What one slice of upkeep did, and what it saw.

    `promoted` jobs fell due, `trimmed` left the dead set or the finished ones; `due_in` is the
    seconds until the next job falls due (0 = more are due now, None = none waits).
    """

    promoted: int = 0
    trimmed: int = 0
    due_in: float | None = None
    workers: Mapping[str, Pulse] = field(default_factory=lambda: MappingProxyType({}))


class Enqueues(ABC):
    """What every adapter can: take jobs. Inline and fake adapters are no more than this."""

    features: Features

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock | None = None, retention: Retention | None = None
    ) -> Self:
        """The adapter for a URL. It connects at first use, not here.

        Raises ConfigurationError for a URL it cannot use.
        """
        del url, clock, retention
        raise NotImplementedError(f"{cls.__name__} cannot be made from a URL: pass an instance")

    @abstractmethod
    def enqueue(self, payloads: Sequence[Payload]) -> None:
        """Store all or none: enqueued, or scheduled if `scheduled_at` is ahead.

        In this order, which decides among jobs of one moment. Raises PayloadError for text that
        is no job, AdapterError for what the store refuses or when it fails. The same id twice is
        one job where the store can tell (SQL); elsewhere a lost answer is `EnqueueUncertain`.
        """

    def close(self) -> None:  # noqa: B027 - most in-memory adapters hold nothing
        """Let go of connections. The adapter may be used again afterwards and reconnects."""


class Adapter(Enqueues):
    """A store that workers can work on.

    A `clock` given to the constructor replaces the store's own time (tests); without one, due
    times are judged by the store's clock.
    """

    @abstractmethod
    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        """Lend up to `limit` jobs to `worker`: queues in the order given, then priority, then age.

        A job's age counts from when it became enqueued; of jobs of one moment the one that came to
        the store first is older. One that waited for its time is as old as the moment it was due,
        or as its promotion, or anything in between. Never blocks, skips paused queues. Raises
        LeaseLost when `worker` is not registered.
        """

    @abstractmethod
    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        """Apply each settlement atomically; return the claims that were no longer held.

        Those changed nothing. A claim settled by Ack, Requeue, Bury or Release is spent: the same
        claim again, later in the same batch too, is no longer held. A Checkpoint spends nothing.

        Raises SettlementRefused when the store works but cannot keep what some became (text that
        is none, too large a value): then all the others were applied, the refused claims are
        still held, and trying the same again is in vain. One whose claim is stale besides may be
        named as either. Any other AdapterError may have left the
        batch applied, or not, or in part: trying it again is safe.
        """

    @abstractmethod
    def beat(
        self,
        worker: str,
        *,
        lease: float,
        claims: Sequence[Claim] | None,
        register: bool = False,
        presence: Presence | None = None,
    ) -> Beat:
        """Move the worker's counter and publish its lease (seconds) and what it runs.

        `register` adds the worker (once, by itself); any other beat of an unregistered worker
        changes nothing and answers `registered=False`. `claims=None` moves the counter only. A
        worker without `presence` is not listed among the workers.
        """

    @abstractmethod
    def maintain(self, *, limit: int) -> Maintenance:
        """One slice of upkeep, at most `limit` jobs of each kind; safe from everywhere at once.

        Due jobs become enqueued, the sooner due before the later (see `claim` for the age that
        gives them), the dead set and finished jobs are trimmed. Also tells every
        worker's pulse: who stood still too long is judged by the core, not here.
        """

    @abstractmethod
    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        """In one step remove `worker` and lend what it held to `to`, under new receipts.

        With `beat`, only if that is still the worker's counter; otherwise, or when the worker is
        gone already, nothing happens and the list is empty. Raises LeaseLost when `to` is not
        registered.
        """

    @abstractmethod
    def retire(self, worker: str) -> int:
        """Remove the worker and give back what it still holds, to the head; the number of jobs."""

    def held(self, worker: str) -> list[Claim] | None:
        """What the store thinks the worker holds, to find claims whose answer was lost.

        An unknown worker holds nothing: []. None is the answer of an adapter that cannot tell,
        with which such jobs come back with the lease.
        """
        del worker
        return None
