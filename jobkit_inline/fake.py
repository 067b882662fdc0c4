"""`FakeAdapter`: records jobs, and runs them when it is told to."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeAlias

from jobkit.adapter import Retention, State
from jobkit.backends import HasOwnTime, Performed
from jobkit.batching import NewBatch
from jobkit.capabilities import Move, StoredJob, SupportsManage
from jobkit.clock import SYSTEM, Clock
from jobkit.errors import JobTimeout
from jobkit.payload import Payload
from jobkit_inline.clock import VirtualClock
from jobkit_inline.memory.records import Job
from jobkit_inline.memory.ticking import Ticking
from jobkit_inline.stage import MOST_RUNS, WAITING, Stage, named, stored

__all__ = ["MOST_DRAINED", "NEVER", "FakeAdapter", "Where"]

MOST_DRAINED: Final = 100_000
"""Runs of one drain, before what is drained is taken for endless."""

NEVER: Final = float("inf")

Where: TypeAlias = Callable[[StoredJob], bool]
"""Which of the waiting jobs."""

_OF_JOBS: Final = (Exception, JobTimeout, CancelledError, SystemExit, GeneratorExit)
"""Errors by which jobs fail; others (Ctrl-C, pytest's own) are meant for who runs the test."""


class FakeAdapter(Stage, Ticking, HasOwnTime):
    """Records jobs and runs nothing by itself: the test helpers look into it and tell it to run.

    No job falls due by itself: time is virtual and moves only in `drain`. Once it was moved
    ahead, jobs are enqueued by it too. `jobkit.inspect()` reads it like any store.

        with use_adapter(FakeAdapter()):
            sign_up("ada@example.org")
            assert_enqueued(WelcomeEmail)
    """

    def __init__(self, *, clock: Clock | None = None, retention: Retention | None = None) -> None:
        """A `clock` given stands in for the machine's."""
        self.clock = VirtualClock(clock or SYSTEM)
        super().__init__(clock=self.clock, retention=retention)
        self._placed: dict[str, int] = {}
        self._at_once: tuple[Where, ...] = ()

    def now(self) -> float:
        return self.clock.time()

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        self._arrived(self._add(payloads))

    def enqueue_unique(
        self, payloads: Sequence[Payload], *, through: Any = None
    ) -> list[str | None]:
        del through  # no transaction of anybody's reaches here
        winners, stored = self._add_unique(payloads)
        with self._lock:
            for job_id in [each for each in self._placed if self._store.find(each) is None]:
                del self._placed[job_id]  # it was replaced
        self._arrived(stored)
        return winners

    def enqueue_batch(
        self,
        batch: str,
        payloads: Sequence[Payload],
        *,
        opens: NewBatch | None = None,
        closes: bool = False,
        through: Any = None,
    ) -> list[str | None]:
        given = named(payloads)
        winners = super().enqueue_batch(batch, given, opens=opens, closes=closes, through=through)
        self._arrived(stored(given, winners))
        return winners

    def tick(self, name: str, at: float, payload: Payload) -> bool:
        ticked = super().tick(name, at, payload)
        if ticked and self._store.find(payload.id) is not None:  # not lost to an equal one
            self._arrived([payload.id])
        return ticked

    def operated(self) -> SupportsManage:
        return _Operated(self._verbs, self._changed)

    def _changed(self, jobs: Sequence[StoredJob]) -> None:
        for job in jobs:
            self._place(job.id)
        self._arrived([])

    def _arrived(self, job_ids: Sequence[str]) -> None:
        """Those came to the store, and what their coming and going had batches enqueue."""
        job_ids = [*job_ids, *self._fired()]
        for job_id in job_ids:
            if job_id not in self._placed:  # the same id twice is one job
                self._place(job_id)
        for job_id in job_ids:
            self._run_at_once(job_id)

    def waiting(self, since: int = 0) -> list[StoredJob]:
        """The jobs that wait in any way, in the order they came to; behind a `mark` if given."""
        with self._lock:
            placed = [
                (self._placed.get(job.id, 0), job.stored)
                for state in WAITING
                for job in self._store.listed(state, None, None)
            ]
        return [job for order, job in sorted(placed, key=lambda each: each[0]) if order > since]

    def perform(self, where: Where) -> int:
        """Run what waits now and is meant, due or not, once each; the number of runs.

        Raises an error that no rule answers for, once its outcome is recorded: what would have
        come after it goes on waiting.
        """
        runs = 0
        for job in [job for job in self.waiting() if where(job)]:
            performed = self._run(job.payload.id)
            runs += performed is not None
            if performed is not None and performed.error is not None:
                raise performed.error
        return runs

    @contextmanager
    def performing(self, where: Where) -> Generator[None]:
        """Inside the block run every job that is meant while it is enqueued, from any thread.

        Retries included, at once; raises like `perform`. The innermost block decides.
        """
        with self._lock:
            self._at_once = (*self._at_once, where)
        try:
            yield
        finally:
            with self._lock:
                self._at_once = tuple(each for each in self._at_once if each is not where)

    def drain(
        self, until: float | None = None, *, recur: Callable[[], float] = lambda: NEVER
    ) -> int:
        """Run jobs as they fall due, moving the time, until none is left; the number of runs.

        With `until` (seconds since the epoch) what is due later goes on waiting, and that is what
        the time is in the end. Failures become retries, deaths or discards and are not raised.
        `recur` enqueues what is due for other reasons, and tells when there is more.
        """
        runs = 0
        while (job_id := self._next(NEVER if until is None else until, recur)) is not None:
            performed = self._run(job_id)
            runs += performed is not None
            _raise_unless_of_jobs(performed)
            if runs >= MOST_DRAINED:
                raise RuntimeError(
                    f"after {runs} runs there are jobs left, as if there were always one more: "
                    "give drain() the moment to stop at"
                )
        if until is not None:
            self.clock.move_to(until)
        return runs

    def clear(self) -> None:
        super().clear()
        with self._lock:
            self._placed.clear()
        self.clock.reset()

    def forget(self, where: Where) -> None:
        """Remove the waiting jobs that are meant."""
        with self._lock:
            for seen in [job for job in self.waiting() if where(job)]:
                job = self._store.still(seen)
                if job is not None:
                    self._verbs.delete([seen])
                    self._place(job.id)
        self._arrived([])

    def _run(self, job_id: str) -> Performed | None:
        performed = super()._run(job_id)
        self._place(job_id)
        self._arrived([])
        return performed

    def _place(self, job_id: str) -> None:
        """Note that the job came to wait just now, or that it waits no more."""
        with self._lock:
            job = self._store.find(job_id)
            if job is None or job.state not in WAITING:
                self._placed.pop(job_id, None)
            else:
                self._placed[job_id] = next(self._order)

    def _run_at_once(self, job_id: str) -> None:
        for _ in range(MOST_RUNS):
            if not self._is_wanted_at_once(job_id):
                return
            performed = self._run(job_id)
            if performed is not None and performed.error is not None:
                raise performed.error
        raise RuntimeError(
            f"a job asked {MOST_RUNS} times in a row to be run again: inside "
            "perform_enqueued_jobs() delays are ignored; drain() keeps them"
        )

    def _is_wanted_at_once(self, job_id: str) -> bool:
        with self._lock:
            blocks = self._at_once
            job = self._store.find(job_id) if blocks else None
        return job is not None and job.state in WAITING and blocks[-1](job.stored)

    def _first(self) -> Job | None:
        """The first of the enqueued that its limits let run now; those before it are set aside."""
        enqueued = partial(self._store.listed, State.ENQUEUED, None, None)
        while (job := next(enqueued(), None)) is not None:
            if not self._store.set_aside(job, self.clock.time()):
                break
        return job

    def _next(self, until: float, recur: Callable[[], float]) -> str | None:
        """The job to take up, at the time it is due; None when none is left before `until`."""
        while True:
            recurs_at = recur()
            with self._lock:
                if (job := self._first()) is not None:
                    return job.id
                due_at = self._store.next_at()
                following = recurs_at if due_at is None else min(due_at, recurs_at)
                if following == NEVER or following > until:
                    return None
                self.clock.move_to(following)
                self._verbs.maintain(limit=MOST_RUNS)


class _Operated(SupportsManage):
    """Moves and removes what waits, and says what."""

    def __init__(
        self, verbs: SupportsManage, changed: Callable[[Sequence[StoredJob]], object]
    ) -> None:
        self._verbs = verbs
        self._changed = changed

    def move(self, moves: Sequence[Move]) -> int:
        moved = self._verbs.move(moves)
        self._changed([move.job for move in moves])
        return moved

    def delete(self, jobs: Sequence[StoredJob]) -> int:
        deleted = self._verbs.delete(jobs)
        self._changed(jobs)
        return deleted

    def clear(self, queue: str) -> int:
        return self._verbs.clear(queue)

    def order(self, worker: str, order: str) -> bool:
        return self._verbs.order(worker, order)


def _raise_unless_of_jobs(performed: Performed | None) -> None:
    error = None if performed is None else performed.error
    if error is not None and not isinstance(error, _OF_JOBS):
        raise error
