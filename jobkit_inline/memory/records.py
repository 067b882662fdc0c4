"""What a memory store holds, as frozen records; a change makes another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from jobkit.adapter import Claim, Presence, State
from jobkit.batching import batch_of
from jobkit.capabilities import StoredJob
from jobkit.errors import PayloadError
from jobkit.limits import Limit, limits_of
from jobkit.locks import Until
from jobkit.payload import Payload

__all__ = ["Envelope", "Job", "Key", "Worker", "check_text"]

Key: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the store reads of a payload."""

    queue: str
    priority: int
    job_class: str
    scheduled_at: float | None
    deliveries: int
    limits: tuple[Limit, ...] = ()
    batch: str = ""

    @classmethod
    def of(cls, payload: Payload) -> Envelope:
        """Raises PayloadError for text that is no job."""
        return cls(
            queue=payload.queue,
            priority=payload.priority,
            job_class=payload.job_class,
            scheduled_at=payload.scheduled_at,
            deliveries=payload.deliveries,
            limits=limits_of(payload),
            batch=batch_of(payload),
        )


def check_text(payload: Payload) -> None:
    """Raise UnicodeEncodeError for text that no store could write: this one is no laxer."""
    if not payload.text.isascii():
        payload.text.encode()


@dataclass(frozen=True, slots=True)
class Job:
    """A stored job. Times are wall time in seconds.

    `run_at` is its place in age and survives a claim; `at` is when it came to where it lies, or
    when it is due. Only the text is kept: what is read from one claim is never seen by another.
    `lock` is the name of the lock that it holds while it is not over, `waits_for` the limit that
    has no place for it, or had none when it was blocked.
    """

    id: str
    sequence: int
    text: str
    envelope: Envelope
    state: State
    run_at: float
    at: float
    worker: str | None = None
    receipt: str = ""
    full: str | None = None
    waits_for: str = ""
    lock: str = ""

    @property
    def key(self) -> Key:
        """Its place among those in the same state."""
        if self.state is State.ENQUEUED:
            return (self.envelope.priority, self.run_at, self.sequence)
        return (self.at, self.sequence)

    @property
    def claim(self) -> Claim:
        """The claim its worker holds."""
        return Claim(Payload(self.text), self.receipt, self.envelope.deliveries, self.full)

    @property
    def stored(self) -> StoredJob:
        """The job as inspection shows it."""
        return StoredJob(
            payload=Payload(self.text),
            state=self.state,
            locator=str(self.sequence),
            at=self.at,
            worker=self.worker,
            id=self.id,
        )

    def waiting(self, run_at: float, state: State = State.ENQUEUED) -> Job:
        """The job enqueued, or in another `state` until `run_at`; nobody holds it."""
        return self._free(state, run_at=run_at, at=run_at)

    def blocked(self, place: str) -> Job:
        """The job set aside until the limit there has a place for it."""
        return replace(self, state=State.BLOCKED, at=self.run_at, waits_for=place)

    def called(self) -> Job:
        """The blocked job enqueued again, to see whether there is a place."""
        return replace(self, state=State.ENQUEUED)

    def postponed(self, state: State, now: float) -> Job:
        """The job scheduled or in retry until its `scheduled_at`; without one it is due now."""
        due = self.envelope.scheduled_at
        return self.waiting(now if due is None else due, state)

    def running(self, worker: str, receipt: str, at: float, full: str | None = None) -> Job:
        """The job lent to a worker, with `full` to be discarded.

        A lock that lasts until the start is gone for good.
        """
        lock = "" if self.lock.startswith(f"{Until.START}:") else self.lock
        lent = self._free(State.RUNNING, run_at=self.run_at, at=at)
        return replace(lent, worker=worker, receipt=receipt, full=full, lock=lock)

    def ended(self, state: State, at: float) -> Job:
        """The job dead or completed."""
        return self._free(state, run_at=self.run_at, at=at)

    def rewritten(self, payload: Payload) -> Job:
        """The job with new text; where that is no job, what the old one said is still known.

        Raises UnicodeEncodeError for what is no text at all.
        """
        check_text(payload)
        try:
            envelope = Envelope.of(payload)
        except PayloadError:
            envelope = self.envelope
        return replace(self, text=payload.text, envelope=envelope)

    def _free(self, state: State, *, run_at: float, at: float) -> Job:
        """The job in that state; nobody holds it, and it waits for no limit."""
        return replace(
            self,
            state=state,
            run_at=run_at,
            at=at,
            worker=None,
            receipt="",
            full=None,
            waits_for="",
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """A registered worker: its counter, its lease in seconds, what was asked of it."""

    lease: float
    beat: int = 0
    beat_at: float = 0.0
    presence: Presence | None = None
    orders: frozenset[str] = frozenset()
