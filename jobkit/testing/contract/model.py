"""What a store must hold, as plain dictionaries: the model beside which adapters are driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from jobkit.adapter import (
    Ack,
    Bury,
    Checkpoint,
    Claim,
    Release,
    Requeue,
    Settlement,
    State,
    Tally,
)
from jobkit.payload import Payload
from jobkit.testing.contract.support import unstamped

__all__ = ["Model", "ModelJob", "same_job"]


class Age(IntEnum):
    """What is known of a job's place among its equals."""

    RETURNED = 0  # before all that never was claimed
    PLAIN = 1  # by the moment it was enqueued
    OPEN = 2  # the protocol leaves it to the store


@dataclass(frozen=True)
class ModelJob:
    """A job as the model has it."""

    payload: Payload
    state: State
    since: float
    age: Age = Age.PLAIN
    due: float = 0.0
    claim: Claim | None = None
    worker: str | None = None

    @property
    def queue(self) -> str:
        return self.payload.queue

    @property
    def priority(self) -> int:
        return self.payload.priority

    def goes_before(self, other: ModelJob) -> bool:
        """Whether it may be claimed while the other one, of the same queue, still waits."""
        if self.priority != other.priority:
            return self.priority < other.priority
        if Age.OPEN in (self.age, other.age) or self.age is other.age is Age.RETURNED:
            return True
        return (self.age, self.since) <= (other.age, other.since)

    def waiting(self, state: State = State.ENQUEUED) -> ModelJob:
        """The job with no worker."""
        return replace(self, state=state, claim=None, worker=None)


@dataclass
class Model:
    """Jobs by id, workers by name. What a verb must answer is asked before it is applied."""

    jobs: dict[str, ModelJob] = field(default_factory=dict)
    workers: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    spent: list[Claim] = field(default_factory=list)
    receipts: set[str] = field(default_factory=set)
    processed: int = 0
    failed: int = 0

    @property
    def alive(self) -> list[ModelJob]:
        """Every job that may still run."""
        return [job for job in self.jobs.values() if job.state is not State.DEAD]

    def enqueue(self, payload: Payload, due: float, now: float) -> None:
        state = State.SCHEDULED if due > now else State.ENQUEUED
        self.jobs[payload.id] = ModelJob(payload, state, since=now, due=due)

    def claimable(self, queue: str) -> list[ModelJob]:
        return [
            job
            for job in self.jobs.values()
            if job.state is State.ENQUEUED and job.queue == queue and queue not in self.paused
        ]

    def lend(self, claims: Sequence[Claim], worker: str) -> None:
        for claim in claims:
            assert claim.receipt not in self.receipts, "a receipt was given twice"
            self.receipts.add(claim.receipt)
            job = self.jobs[claim.payload.id]
            if job.claim is not None:
                self.spent.append(job.claim)
            self.jobs[claim.payload.id] = replace(
                job, payload=claim.payload, state=State.RUNNING, claim=claim, worker=worker
            )

    def held(self, worker: str | None = None) -> list[Claim]:
        """What the worker holds; without one, what all hold."""
        return [
            job.claim
            for job in self.jobs.values()
            if job.claim is not None and worker in (None, job.worker)
        ]

    def settle(self, settlement: Settlement, now: float) -> bool:
        """Apply it; False if the claim is stale, and then nothing changed."""
        job = self.jobs.get(settlement.claim.payload.id)
        if job is None or job.claim is None or job.claim.receipt != settlement.claim.receipt:
            return False
        self._count(settlement)
        if not isinstance(settlement, Checkpoint):
            self.spent.append(job.claim)
        after = self._after(job, settlement, now)
        if after is None:
            del self.jobs[job.payload.id]
        else:
            self.jobs[job.payload.id] = after
        return True

    def retire(self, worker: str) -> None:
        for claim in self.held(worker):
            self.settle(Release(claim), now=0.0)
        self.workers.discard(worker)

    def recover(self, worker: str, recovered: Sequence[Claim], heir: str) -> None:
        self.lend(recovered, heir)
        self.workers.discard(worker)

    def promote(self, now: float) -> int:
        """Whatever is due becomes enqueued; the number of jobs."""
        due = [
            job
            for job in self.jobs.values()
            if job.state in (State.SCHEDULED, State.RETRY) and job.due <= now
        ]
        for job in due:
            self.jobs[job.payload.id] = replace(job.waiting(), age=Age.OPEN)
        return len(due)

    def size(self, state: State) -> int:
        return sum(job.state is state for job in self.jobs.values())

    def _after(self, job: ModelJob, settlement: Settlement, now: float) -> ModelJob | None:
        match settlement:
            case Ack():
                return None
            case Checkpoint(payload=payload):
                return replace(job, payload=payload)
            case Bury(payload=payload):
                return replace(job.waiting(State.DEAD), payload=payload)
            case Release():
                return replace(job.waiting(), age=Age.RETURNED)
            case Requeue():
                return _requeued(job, settlement, now)

    def _count(self, settlement: Settlement) -> None:
        if isinstance(settlement, Ack | Requeue | Bury) and settlement.tally is not Tally.NEITHER:
            self.processed += 1
            self.failed += settlement.tally is Tally.FAILED


def _requeued(job: ModelJob, settlement: Requeue, now: float) -> ModelJob:
    after = replace(
        job.waiting(settlement.state),
        payload=settlement.payload,
        since=now,
        age=Age.PLAIN,
        due=settlement.payload.scheduled_at or now,
    )
    if not settlement.head or settlement.state is not State.ENQUEUED:
        return after
    stays = (after.queue, after.priority) == (job.queue, job.priority)
    return replace(after, age=Age.RETURNED if stays else Age.OPEN)


def same_job(one: Payload, other: Payload) -> bool:
    """Equal text, but for the time that a store may stamp on a job that falls due."""
    return one == other or unstamped(one) == unstamped(other)
