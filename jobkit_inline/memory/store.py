"""The places of one memory store. Nothing here knows why a job moves."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from heapq import merge
from itertools import count
from operator import attrgetter
from typing import Final

from jobkit.adapter import State, Tally
from jobkit.batching import End, How
from jobkit.capabilities import DayStats, StoredEntry, StoredJob
from jobkit.clock import as_datetime
from jobkit.payload import Payload, new_id
from jobkit.results import Result
from jobkit_inline.memory.batches import Batches
from jobkit_inline.memory.index import Index
from jobkit_inline.memory.quotas import Quotas
from jobkit_inline.memory.records import Envelope, Job, Key, Worker

__all__ = ["OVER", "WAITING", "Store"]

WAITING: Final = (State.SCHEDULED, State.RETRY)
"""Where jobs wait for their time."""

OVER: Final = (State.DEAD, State.COMPLETED)
"""Where jobs lie that have ended: they hold no lock, and the newest is shown first."""


_REMEMBERED: Final = 10_000


class Store:
    """Jobs, workers and counts. Every use is made with `changed` held, which is reentrant.

    `changed` is notified when a job may have become claimable.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.workers: dict[str, Worker] = {}
        self.paused: set[str] = set()
        self.entries: dict[str, StoredEntry] = {}
        self.days: dict[date, DayStats] = {}
        self.measures: dict[int, dict[tuple[str, int], tuple[int, float]]] = {}
        """By the minute, class and bucket: runs and seconds."""
        self.results: dict[str, tuple[float, str]] = {}
        """By the job: until when, and the text."""
        self.claimed: dict[str, Job] = {}
        self.quotas = Quotas()
        self.batches = Batches(self._fire)
        self.fired: deque[str] = deque(maxlen=_REMEMBERED)
        """The jobs that batches had enqueued, for who runs them in place."""
        self.times: dict[str, tuple[float, str]] = {}
        """Locks that end by time: when, and whose they are."""
        self._locks: dict[str, str] = {}
        self._jobs: dict[int, Job] = {}
        self._ids: dict[str, int] = {}
        self._queues: dict[str, Index] = {}
        self._places = {state: Index() for state in State}
        self._sequence = count(1)
        self._receipt = count(1)

    # Moving

    def add(self, payload: Payload, envelope: Envelope, now: float, *, lock: str = "") -> None:
        """Store a new job, unless one with its id is here already."""
        if payload.id in self._ids:
            return
        at = max(now, envelope.scheduled_at or now)
        state = State.SCHEDULED if at > now else State.ENQUEUED
        job_id = payload.id or new_id()  # those without an id are not all one job
        sequence = next(self._sequence)
        job = Job(job_id, sequence, payload.text, envelope, state, run_at=at, at=at, lock=lock)
        self._insert(job)

    def put(self, job: Job) -> None:
        """Store a job as it lay elsewhere; its number is given here."""
        self._insert(replace(job, sequence=next(self._sequence)))

    def remove(self, job: Job) -> None:
        """Take the job out of the store; its receipt is spent."""
        self._take_out(job)
        self._call_for(job)

    def move(self, job: Job, to: Job) -> None:
        """Replace the job by its changed self."""
        self._take_out(job)
        self._insert(to)
        if not to.receipt or to.receipt != job.receipt:
            self._call_for(job)

    def end_member(self, job: Job, how: How, now: float) -> None:
        """Tell the job's batch, if it is in one, that it has ended."""
        if job.envelope.batch:
            self.batches.ended(End(job.envelope.batch, job.id, how), now)

    def set_aside(self, job: Job, now: float) -> bool:
        """Block the job if a limit has no place for it; False if there is one, or it is dropped."""
        limits = job.envelope.limits
        refusing = self.quotas.refusing(limits, now) if limits else None
        if refusing is None or refusing.discard:
            return False
        self.move(job, job.blocked(refusing.place))
        self.call(limit.place for limit in limits)  # what it was called for may be had by others
        return True

    def take(self, job: Job, worker: str, now: float) -> Job:
        """Lend the job with a place in each of its limits; to be discarded where one drops it."""
        limits = job.envelope.limits
        refusing = self.quotas.refusing(limits, now) if limits else None
        if refusing is not None and refusing.discard:
            return self.lend(job, worker, now, full=refusing.key)
        lent = self.lend(job, worker, now)
        if limits:
            self.quotas.take(limits, lent.receipt, now)
        return lent

    def call(self, places: Iterable[str]) -> None:
        """Let those try again that wait where there are places now."""
        for job in self.quotas.call(places):
            here = self._jobs[job.sequence]
            self._places[State.BLOCKED].remove(here)
            self._put(here.called())

    def lend(self, job: Job, worker: str, now: float, *, full: str | None = None) -> Job:
        """Lend the job to a worker under a new receipt, which has no place in any limit."""
        lent = job.running(worker, str(next(self._receipt)), now, full)
        self.move(job, lent)
        return lent

    def keep(self, job: Job, result: Result, now: float) -> None:
        """Keep what the job came to, and forget the oldest ones that are over."""
        self.results.pop(job.id, None)
        self.results[job.id] = (now + result.seconds, result.text)
        self.forget_results(now)

    def forget_results(self, now: float) -> None:
        """Forget, oldest first, those that are over, up to one that is not."""
        while self.results:
            first = next(iter(self.results))
            if self.results[first][0] > now:
                break
            del self.results[first]

    def count(self, tally: Tally, now: float) -> None:
        """Add an ended run to the totals of its day."""
        if tally is Tally.NEITHER:
            return
        today = as_datetime(now).date()
        day = self.days.get(today, DayStats(today, 0, 0))
        failed = day.failed + (tally is Tally.FAILED)
        self.days[today] = replace(day, processed=day.processed + 1, failed=failed)

    # Looking

    def queue(self, name: str) -> Index:
        """The enqueued jobs of a queue; an unknown one is empty."""
        return self._queues.get(name, Index())

    def queues(self) -> dict[str, Index]:
        """Every queue that holds an enqueued job."""
        return {name: index for name, index in self._queues.items() if index}

    def place(self, state: State) -> Index:
        """The jobs in a state other than enqueued."""
        return self._places[state]

    def size(self, state: State) -> int:
        """How many jobs are in that state."""
        if state is State.ENQUEUED:
            return sum(map(len, self._queues.values()))
        return len(self._places[state])

    def listed(self, state: State, queue: str | None, after: Key | None) -> Iterator[Job]:
        """The jobs in a state behind `after`, in the order they are shown."""
        if state in OVER:
            return self._places[state].descending(after)
        if state is not State.ENQUEUED:
            return self._places[state].ascending(after)
        indexes: Iterable[Index] = self._queues.values() if queue is None else [self.queue(queue)]
        return merge(*(index.ascending(after) for index in indexes), key=attrgetter("key"))

    def waiting(self) -> Iterator[Job]:
        """The jobs that wait for their time, the next due first."""
        return merge(*(self._places[state] for state in WAITING), key=attrgetter("key"))

    def next_at(self) -> float | None:
        """When the next job falls due, or may be started again; None if none waits for a time."""
        due = next(self.waiting(), None)
        moments = (None if due is None else due.at, self.quotas.free_at())
        return min((moment for moment in moments if moment is not None), default=None)

    def held(self, worker: str) -> list[Job]:
        """What the worker holds, the longest held first."""
        return [job for job in self._places[State.RUNNING] if job.worker == worker]

    def find(self, job_id: str) -> Job | None:
        """The job with this id, in any state."""
        sequence = self._ids.get(job_id)
        return None if sequence is None else self._jobs[sequence]

    def holder(self, lock: str) -> str | None:
        """The id of the job that holds the lock."""
        return self._locks.get(lock)

    def still(self, seen: StoredJob) -> Job | None:
        """The job, if it is as it was seen: same place, same text, and nobody runs it."""
        job = self._jobs.get(int(seen.locator))
        if job is None or job.state is State.RUNNING:
            return None
        return job if (job.state, job.text) == (seen.state, seen.payload.text) else None

    def _fire(self, payload: Payload, now: float) -> None:
        self.add(payload, Envelope.of(payload), now)
        self.fired.append(payload.id)

    def _take_out(self, job: Job) -> None:
        del self._jobs[job.sequence], self._ids[job.id]
        self._place(job).remove(job)
        self.claimed.pop(job.receipt, None)
        if job.lock and self._locks.get(job.lock) == job.id:
            del self._locks[job.lock]
        if job.waits_for:
            self.quotas.forget(job)

    def _call_for(self, job: Job) -> None:
        """Where the job had or wanted a place there may be one for others now."""
        if job.envelope.limits:
            self.call([*self.quotas.leave(job.receipt), *filter(None, [job.waits_for])])

    def _insert(self, job: Job) -> None:
        if job.state is State.BLOCKED:
            self.quotas.block(job)
        self._put(job)

    def _put(self, job: Job) -> None:
        self._jobs[job.sequence] = job
        self._ids[job.id] = job.sequence
        self._place(job).add(job)
        if job.lock and job.state not in OVER:
            self._locks[job.lock] = job.id
        if job.state is State.RUNNING:
            self.claimed[job.receipt] = job
        elif job.state is State.ENQUEUED:
            self.changed.notify_all()

    def _place(self, job: Job) -> Index:
        if job.state is not State.ENQUEUED:
            return self._places[job.state]
        return self._queues.setdefault(job.envelope.queue, Index())
