"""Batches as stores keep them: what is stored of one, and what follows when a member ends.

A batch knows its members by their names, never by a count of them, so that whatever is told twice
changes nothing twice. The core writes a batch's id into the payloads of its jobs (`bid`) and says
which jobs are to be enqueued when; a store that `SupportsBatches` does that in the very step in
which a member ends. What is decided there is written here once, for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from jobkit.adapter import Ack, Bury, Settlement, Tally
from jobkit.capabilities import SupportsManage, require
from jobkit.errors import BatchFinished, PayloadError
from jobkit.payload import Payload

__all__ = [
    "ABANDONED",
    "KEPT",
    "KEPT_FAILED",
    "MARK",
    "BatchInfo",
    "BatchPage",
    "End",
    "Event",
    "Following",
    "How",
    "Members",
    "NewBatch",
    "Standing",
    "SupportsBatches",
    "as_member",
    "batch_of",
    "closed_to_new",
    "end_of",
    "follows",
]

MARK: Final = '"bid"'
"""A payload's text without it is in no batch, as most are not: they need not be read."""

KEPT: Final = 86_400.0
"""Seconds that a batch can be read about after all its members succeeded."""

KEPT_FAILED: Final = 30 * 86_400.0
"""The same of one that ended otherwise, and may still be made good."""

ABANDONED: Final = 86_400.0
"""Seconds without a word after which the block of a batch will surely never be left."""

_NESTED: Final = "batch:"


class Event(StrEnum):
    """What a batch may have a job for."""

    SUCCESS = "success"
    FAILURE = "failure"
    FINISH = "finish"


class How(StrEnum):
    """How a member ended: well, for good without success, or it was taken out."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be stored. `callbacks` are the jobs to enqueue, `parent` the batch it is in."""

    id: str
    description: str = ""
    parent: str | None = None
    callbacks: Mapping[Event, Payload] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """A batch as it stands. Its members are its jobs, and batches nested in it; times are UTC.

    `succeeded` are those that ended without a failure, `failed` those that are in the dead set or
    were dropped from there; what was discarded by hand is no member any more. `finished_at` is
    None while members are pending, and again while one that failed is run once more.
    """

    id: str
    description: str
    total: int
    pending: int
    succeeded: int
    failed: int
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool = False
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of batches; `next` is the cursor of the page behind it, None at the end."""

    items: list[BatchInfo]
    next: str | None


@dataclass(frozen=True, slots=True)
class Members:
    """Some of the members of a batch: ids of jobs, and of batches; `next` as in a page."""

    jobs: tuple[str, ...]
    batches: tuple[str, ...]
    next: str | None

    @classmethod
    def of(cls, names: Sequence[str], following: str | None) -> Members:
        """From the names that stores keep."""
        nested = tuple(each.removeprefix(_NESTED) for each in names if each.startswith(_NESTED))
        return cls(tuple(each for each in names if not each.startswith(_NESTED)), nested, following)


@dataclass(frozen=True, slots=True)
class End:
    """A member of a batch has ended."""

    batch: str
    member: str
    how: How


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides what follows: whether the block was left, and what members there are."""

    closed: bool
    cancelled: bool
    pending: bool
    failed: bool
    fired: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Following:
    """The events that come now, each once in a batch's life, and whether no member is pending."""

    events: tuple[Event, ...]
    finished: bool


class SupportsBatches(ABC):
    """Can keep batches (`batch_of` reads a job's from its payload).

    Whatever ends a member tells its batch in the same step, and enqueues what `follows` from it:
    an Ack or Bury, or a `move` to the dead set (`end_of`), a `delete`, a `clear`, and whatever
    else removes a job that waits. A `move` of a dead member makes it pending again. A batch that
    finishes ends as a member of its parent, in that step too. A callback whose payload is in a
    batch becomes a member of that before. It is stamped `enqueued_at` the moment it is enqueued.

    Jobs in no batch cost nothing of all this.
    """

    @abstractmethod
    def enqueue_batch(
        self,
        batch: str,
        payloads: Sequence[Payload],
        *,
        opens: NewBatch | None = None,
        closes: bool = False,
        through: Any = None,
    ) -> list[str | None]:
        """Store jobs and make them members of the batch, in one step; answers as for unique ones.

        See `SupportsUnique.enqueue_unique`: what is not stored is no member. `opens` stores the
        batch itself, unless it is there; it becomes a member of its parent. `closes` says that
        its block is left: from there on it finishes when nothing is pending, perhaps now. Raises
        BatchFinished when there is no such batch, it (or the parent) has finished, or was
        cancelled: nothing of the call is stored then.

        `through` is the connection of a transaction of the application's, for an adapter that
        `SupportsTransactions`.
        """

    @abstractmethod
    def batch(self, batch_id: str) -> BatchInfo | None:
        """The batch with this id; None when there is none, any more."""

    @abstractmethod
    def batches(self, *, limit: int = 50, after: str | None = None) -> BatchPage:
        """A page of batches, the newest first. Raises ValueError for text that is no cursor."""

    @abstractmethod
    def members(
        self, batch_id: str, *, failed: bool, limit: int = 500, after: str | None = None
    ) -> Members:
        """Some of the pending members, or of the failed; each that stays one is met at least once.

        A page may be empty and not the last.
        """

    @abstractmethod
    def cancel_batch(self, batch_id: str, *, forget: bool = False) -> bool:
        """Have no callback come any more but that of the finish, and no member.

        False when it has finished, or is unknown. `forget` closes the batch besides, and has no
        callback come at all.
        """

    def operated(self) -> SupportsManage:
        """What moves and removes members. Raises Unsupported."""
        return require(self, SupportsManage, "changing jobs")  # type: ignore[type-abstract]


def batch_of(payload: Payload) -> str:
    """The id of the batch that a stored job is in; empty when it is in none."""
    if MARK not in payload.text:
        return ""
    try:
        written = payload.fields.get("bid")
    except PayloadError:
        return ""
    return written if isinstance(written, str) else ""


def as_member(batch_id: str) -> str:
    """What a nested batch is called among the members of its parent."""
    return f"{_NESTED}{batch_id}"


def end_of(settlement: Settlement) -> End | None:
    """The end that a settlement brings to a member of a batch; None for any other."""
    if not isinstance(settlement, Ack | Bury):
        return None
    payload = settlement.claim.payload
    batch = batch_of(payload)
    if not batch:
        return None
    fails = isinstance(settlement, Bury) or settlement.tally is Tally.FAILED
    return End(batch, payload.id, How.FAILED if fails else How.SUCCEEDED)


def follows(standing: Standing) -> Following:
    """What follows from how a batch stands now."""
    finished = standing.closed and not standing.pending
    wanted = {
        Event.FAILURE: standing.failed and not standing.cancelled,
        Event.SUCCESS: finished and not standing.failed and not standing.cancelled,
        Event.FINISH: finished,
    }
    events = (event for event, comes in wanted.items() if comes and event not in standing.fired)
    return Following(tuple(events), finished)


def closed_to_new(batch_id: str, why: str) -> BatchFinished:
    """The error of a job or batch that comes too late."""
    return BatchFinished(
        f"the batch {batch_id} {why}: nothing is added to it any more. Members are added by its "
        "running members, or while its block is open"
    )
