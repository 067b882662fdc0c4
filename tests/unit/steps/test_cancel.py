"""Cancelling jobs in a real worker, and telling how far one is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from jobkit import (
    Batch,
    Interrupted,
    Job,
    JobCancelled,
    Step,
    after_discard,
    backends,
    inspect,
    on_cancel,
    on_complete,
    on_start,
    on_stop,
)
from jobkit.adapter import State
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit_inline import MemoryAdapter
from tests.unit.steps.conftest import Fake, Stop
from tests.unit.worker.helpers import until


class Noted(Job, retry=3):
    """What happened, in order."""

    notes: ClassVar[list[Any]] = []
    begun: ClassVar[threading.Event] = threading.Event()

    @after_discard
    def discarded(self, error: BaseException) -> None:
        self.notes.append(type(error))


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Noted.notes.clear()
    Noted.begun.clear()


@pytest.fixture
def store() -> Iterator[MemoryAdapter]:
    adapter = MemoryAdapter()
    with backends.override(adapter):
        yield adapter


@pytest.fixture
def worker(store: MemoryAdapter) -> Iterator[Worker]:
    """A worker that hears within a moment that a job of its was cancelled."""
    options = WorkerOptions(queues=Queues(("default",)), concurrency=2, lease=0.6)
    worker = Worker(store, options)
    assert worker.start()
    yield worker
    worker.desk.hurried = True
    worker.stop(5)


def over(store: MemoryAdapter) -> bool:
    return store.stats().running == 0


def wait_until_over(store: MemoryAdapter) -> None:
    for _ in range(3000):
        if over(store):
            return
        threading.Event().wait(0.01)
    raise AssertionError("the job does not end")


class Stepping(Noted):
    def perform(self) -> None:
        self.step("items", self.items)

    def items(self, step: Step[int]) -> None:
        for item in step.each(range(100_000)):
            self.begun.set()
            threading.Event().wait(0.005)
            self.notes[1:] = [item]

    @on_start
    def started(self) -> None:
        self.notes.append("start")

    @on_stop
    def stopped(self) -> None:
        self.notes.append("stop")

    @on_cancel
    def was_cancelled(self) -> None:
        self.notes.append("cancel")

    @on_complete
    def completed(self) -> None:
        self.notes.append("complete")


@pytest.mark.behaviour("I6", "I7")
@pytest.mark.usefixtures("worker")
def test_a_job_with_steps_ends_at_its_next_checkpoint(store: MemoryAdapter) -> None:
    job = Stepping.perform_later()
    assert Noted.begun.wait(40)
    assert job.cancel()
    wait_until_over(store)
    assert [Noted.notes[0], *Noted.notes[2:]] == [
        "start",
        JobCancelled,
        "stop",
        "cancel",
        "complete",
    ]
    assert store.find([job.id]) == []
    assert store.stats().processed == 1
    assert store.stats().failed == 0


class Waiting(Noted):
    async def perform(self) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.notes.append("cancelled")
            raise


@pytest.mark.usefixtures("worker")
def test_a_coroutine_is_cancelled_where_it_awaits(store: MemoryAdapter) -> None:
    job = Waiting.perform_later()
    assert Noted.begun.wait(40)
    assert job.cancel()
    wait_until_over(store)
    assert Noted.notes == ["cancelled", JobCancelled]
    assert store.find([job.id]) == []


class Asking(Noted):
    def perform(self, error: str) -> None:
        self.begun.set()
        while not self.cancelled:
            threading.Event().wait(0.005)
        raise Interrupted if error == "interrupted" else ValueError


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("error", ["interrupted", "failed"])
def test_whatever_a_job_raises_that_knows_of_it_is_no_failure(
    store: MemoryAdapter, error: str
) -> None:
    job = Asking.perform_later(error)
    assert Noted.begun.wait(40)
    assert job.cancel()
    wait_until_over(store)
    assert Noted.notes == [JobCancelled]
    assert store.find([job.id]) == []


class Failing(Noted):
    gate: ClassVar[threading.Event] = threading.Event()

    def perform(self) -> None:
        self.begun.set()
        self.gate.wait(20)
        raise ValueError


def test_a_retry_does_not_bring_it_back(store: MemoryAdapter) -> None:
    """Its worker does not know yet: the beat comes later than the failure."""
    Failing.gate.clear()
    options = WorkerOptions(queues=Queues(("default",)), concurrency=1, burst=True)
    worker = Worker(store, options)
    job = Failing.perform_later()
    assert worker.start()
    assert Noted.begun.wait(40)
    assert job.cancel()
    Failing.gate.set()
    assert worker.next_message() == "done"
    assert worker.stop(5)
    assert Noted.notes == [JobCancelled]
    assert store.find([job.id]) == []


def test_what_waits_is_gone_at_once_and_the_dead_stay(store: MemoryAdapter) -> None:
    inspector = inspect()
    jobs = [Failing.perform_later(), Failing.perform_in(60), Failing.perform_later()]
    inspector.bury(jobs[2].id)
    assert inspector.cancel([job.id for job in jobs] + ["unknown"]) == 2
    assert [job.payload.id for job in store.jobs(State.DEAD).items] == [jobs[2].id]
    assert (store.stats().enqueued, store.stats().scheduled) == (0, 0)
    assert not jobs[0].cancel()


@pytest.mark.behaviour("I6")
def test_a_job_that_had_begun_is_told_when_it_was_cancelled_while_it_waited(
    fake: Fake, stop: Stop
) -> None:
    job = Stepping.perform_later()
    stop.at(0)
    fake.run()
    assert fake.steps
    Noted.notes.clear()
    [waiting] = fake.waiting()
    fake.discard_and_store(type(waiting.payload)('{"cancelled":true,' + waiting.payload.text[1:]))
    fake.perform(lambda job: True)
    assert Noted.notes == [JobCancelled, "cancel", "complete"]
    assert fake.find([job.id]) == []


class Telling(Job):
    seen: ClassVar[list[Any]] = []

    def perform(self) -> None:
        for done in range(3):
            self.progress(done, 3, f"item {done}")
            info = inspect().find(self.id)
            assert info is not None
            self.seen.append(info.progress and (info.progress.done, info.progress.note))


def test_what_a_job_tells_of_its_progress_is_seen_once_a_second(fake: Fake) -> None:
    Telling.seen.clear()
    Telling.perform_later()
    fake.run()
    assert Telling.seen == [(0, "item 0")] * 3


@pytest.mark.parametrize(("done", "error"), [("1", TypeError), (float("nan"), ValueError)])
def test_progress_is_a_number(done: Any, error: type[Exception]) -> None:
    class Odd(Job):
        def perform(self) -> None:
            self.progress(done)

    with pytest.raises(error, match="progress: done"):
        Odd.perform_now()


@pytest.mark.usefixtures("worker")
def test_of_a_cancelled_batch_what_runs_ends_at_its_checkpoint_and_what_waits_is_gone(
    store: MemoryAdapter,
) -> None:
    with Batch() as batch:
        Stepping.perform_later()
        Stepping.set(wait=60).perform_later()
    assert Noted.begun.wait(40)
    assert batch.cancel() == 2
    until(lambda: batch.status().finished_at)
    assert JobCancelled in Noted.notes
    standing = batch.status()
    assert (standing.cancelled, standing.total, standing.pending) == (True, 1, 0)


def test_a_member_of_a_cancelled_batch_that_fails_is_not_tried_again(
    store: MemoryAdapter,
) -> None:
    Failing.gate.clear()
    options = WorkerOptions(queues=Queues(("default",)), concurrency=1, burst=True)
    worker = Worker(store, options)
    with Batch() as batch:
        Failing.perform_later()
    assert worker.start()
    assert Noted.begun.wait(40)
    assert batch.cancel() == 1
    Failing.gate.set()
    assert worker.next_message() == "done"
    assert worker.stop(5)
    assert Noted.notes == [JobCancelled]
    assert batch.status().finished_at is not None
    assert (store.stats().retry, store.stats().dead) == (0, 0)
