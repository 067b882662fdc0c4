"""The adapter protocol over a memory store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Self, assert_never
from urllib.parse import urlsplit

from jobkit.adapter import (
    Ack,
    Adapter,
    Bury,
    Checkpoint,
    Claim,
    Features,
    Release,
    Requeue,
    Retention,
    Settlement,
    State,
    Tally,
)
from jobkit.batching import How
from jobkit.cancelling import is_marked, marked
from jobkit.capabilities import SupportsWait
from jobkit.clock import SYSTEM, Clock
from jobkit.errors import AdapterError, ConfigurationError, SettlementRefused
from jobkit.payload import Payload
from jobkit_inline.memory.batching import Batching
from jobkit_inline.memory.cancelling import Cancelling
from jobkit_inline.memory.index import Index
from jobkit_inline.memory.inspection import Inspection
from jobkit_inline.memory.leases import Leases
from jobkit_inline.memory.limiting import Limiting
from jobkit_inline.memory.management import Management
from jobkit_inline.memory.measuring import Measuring
from jobkit_inline.memory.records import Envelope, Job, check_text
from jobkit_inline.memory.restoring import Restoring
from jobkit_inline.memory.results import Results
from jobkit_inline.memory.store import WAITING, Store
from jobkit_inline.memory.ticking import Ticking
from jobkit_inline.memory.uniqueness import Uniqueness
from jobkit_inline.memory.upkeep import Upkeep

__all__ = ["MemoryAdapter"]

_shared: dict[str, Store] = {}


class MemoryAdapter(
    Leases,
    Upkeep,
    Inspection,
    Management,
    Ticking,
    Uniqueness,
    Limiting,
    Measuring,
    Restoring,
    Results,
    Batching,
    Cancelling,
    Adapter,
    SupportsWait,
):
    """A store in this process's memory: for tests, and for workers embedded in the application.

    `MemoryAdapter()` is a store of its own; `memory://NAME` is one store for the whole process,
    as long as it lives. Retention and clock belong to the adapter, not to the store.
    """

    features = Features(durable=False)

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        retention: Retention | None = None,
        store: Store | None = None,
    ) -> None:
        super().__init__(store or Store(), clock or SYSTEM, retention or Retention())

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock | None = None, retention: Retention | None = None
    ) -> Self:
        return cls(clock=clock, retention=retention, store=_shared.setdefault(_name(url), Store()))

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        envelopes = [Envelope.of(payload) for payload in payloads]  # all are read before one is in
        try:
            for payload in payloads:
                check_text(payload)
        except UnicodeEncodeError as error:
            raise AdapterError(_refusal(error)) from error
        with self._lock:
            now = self._clock.time()
            for payload, envelope in zip(payloads, envelopes, strict=True):
                self._store.add(payload, envelope, now)

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        with self._lock:
            self._registered(worker)
            now = self._clock.time()
            jobs = (job for job in self._heads(queues) if not self._store.set_aside(job, now))
            return [self._store.take(job, worker, now).claim for job in islice(jobs, limit)]

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        stale: list[Claim] = []
        refused: list[tuple[Settlement, UnicodeEncodeError]] = []
        with self._lock:
            for each in settlements:
                try:
                    held = self._settle(each)
                except UnicodeEncodeError as error:
                    refused.append((each, error))
                else:
                    stale += [] if held else [each.claim]
        if refused:
            first = refused[0][1]
            kept = [settlement for settlement, _ in refused]
            raise SettlementRefused(_refusal(first), refused=kept, stale=stale) from first
        return stale

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        with self._lock:
            self._lock.wait_for(lambda: any(self._open(queues)), timeout)

    def _heads(self, queues: Sequence[str]) -> Iterator[Job]:
        """The job that is next, each time; whoever asks takes it away, or puts it aside."""
        for index in self._open(queues):
            while (job := index.first()) is not None:
                yield job

    def _open(self, queues: Sequence[str]) -> Iterator[Index]:
        """The queues that are not paused."""
        return (self._store.queue(name) for name in queues if name not in self._store.paused)

    def _settle(self, settlement: Settlement) -> bool:
        """False when the claim is stale: then nothing changed."""
        job = self._store.claimed.get(settlement.claim.receipt)
        if job is None:
            return False
        now = self._clock.time()
        match settlement:
            case Ack(tally=tally):
                self._finish(job, now)
                self._store.end_member(job, _end(tally), now)
            case Requeue():
                self._store.move(job, _requeued(job, settlement, now))
            case Bury(payload=payload):
                self._store.move(job, job.rewritten(payload).ended(State.DEAD, now))
                self._store.end_member(job, How.FAILED, now)
            case Checkpoint(payload=payload):
                self._store.move(job, job.rewritten(_marked_as(job, payload)))
            case Release(started=started):
                self._give_back(job, started=started)
            case _:
                assert_never(settlement)
        self._note(job, settlement, now)
        return True

    def _note(self, job: Job, settlement: Settlement, now: float) -> None:
        if isinstance(settlement, Ack | Requeue | Bury):
            self._store.count(settlement.tally, now)
        if isinstance(settlement, Ack | Bury) and settlement.result is not None:
            self._store.keep(job, settlement.result, now)

    def _give_back(self, job: Job, *, started: bool) -> None:
        if not started:
            self._store.quotas.unstart(job.receipt)
        self._store.move(job, job.waiting(job.run_at))

    def _finish(self, job: Job, now: float) -> None:
        if self._retention.keep_finished > 0:
            self._store.move(job, job.ended(State.COMPLETED, now))
        else:
            self._store.remove(job)


def _end(tally: Tally) -> How:
    return How.FAILED if tally is Tally.FAILED else How.SUCCEEDED


def _requeued(job: Job, settlement: Requeue, now: float) -> Job:
    cancelled = is_marked(job.text)
    job = job.rewritten(_marked_as(job, settlement.payload))
    if cancelled:
        return job.waiting(job.run_at)
    if settlement.state in WAITING:
        return job.postponed(settlement.state, now)
    return job.waiting(job.run_at if settlement.head else now)


def _marked_as(job: Job, payload: Payload) -> Payload:
    """The payload, with the mark if the job was cancelled."""
    return Payload(marked(payload.text)) if is_marked(job.text) else payload


def _refusal(error: UnicodeEncodeError) -> str:
    return f"the store refuses a value: {error}"


def _name(url: str) -> str:
    """The name in `memory://NAME`; `memory://` is a name of its own."""
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{url!r}: a memory store has no options, write memory://NAME")
    return parts.netloc + parts.path
