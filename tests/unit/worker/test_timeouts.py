"""Time limits in a worker: when they strike, what they reach, and what they leave alone."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from jobkit import Job, JobTimeout, around_perform, middleware, rescue_from, retry_on
from jobkit.adapter import State
from jobkit.middleware import Middleware
from jobkit.payload import Payload
from jobkit.worker import timer
from jobkit.worker.timer import Timer
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

POOL = ("jobkit-0", "jobkit-1", "jobkit-2")
"""The names of the threads that run jobs, where there are two at most."""

seen: list[Any] = []
gate = threading.Event()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    seen.clear()
    gate.clear()
    yield
    gate.set()


def spin(seconds: float = 20.0) -> None:
    """Python code that runs on and on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


class Slow(Job, timeout=0.1):
    def perform(self) -> None:
        try:
            spin()
        except Exception:  # noqa: BLE001 - what JobTimeout is not
            seen.append("swallowed")
        finally:
            seen.append("cleaned up")


class Patient(Job):
    def perform(self) -> None:
        spin(0.2)
        seen.append("done")


class SlowCoroutine(Job, timeout=0.1):
    async def perform(self) -> None:
        try:
            await asyncio.sleep(20)
        finally:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")


def failure_in(store: MemoryAdapter) -> str:
    [failed] = store.jobs(State.RETRY).items
    fields = failed.payload.fields
    return f"{fields['error_class']}: {fields['error_message']}"


@pytest.mark.parametrize("kind", [Slow, SlowCoroutine])
def test_a_job_that_outlasts_its_limit_fails_and_may_clean_up(
    store: MemoryAdapter, start_worker: StartWorker, kind: type[Job]
) -> None:
    kind.perform_later()
    start_worker()
    until(lambda: store.stats().retry == 1)
    assert failure_in(store) == (
        "jobkit.errors.JobTimeout: the job ran longer than its limit of 0.1 s"
    )
    assert seen == ["cleaned up"]
    assert store.stats().failed == 1


def test_the_place_where_it_was_stands_in_the_backtrace(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    from jobkit.failure import unpacked

    Slow.perform_later()
    start_worker()
    until(lambda: store.stats().retry == 1)
    [failed] = store.jobs(State.RETRY).items
    assert any(" in spin: " in line for line in unpacked(failed.payload.fields["error_backtrace"]))


def test_a_job_without_a_limit_starts_no_timer(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Patient.perform_later()
    start_worker()
    until(lambda: seen == ["done"])
    assert not [each for each in threading.enumerate() if each.name == "jobkit-timer"]
    Slow.perform_later()
    until(lambda: store.stats().retry == 1)
    assert len([each for each in threading.enumerate() if each.name == "jobkit-timer"]) == 1


@pytest.mark.parametrize(
    ("enqueue", "limited"),
    [
        (lambda: Patient.set(timeout=0.05).perform_later(), True),
        (lambda: Slow.set(timeout=30).perform_later(), False),
        (lambda: Slow.set(timeout=None).perform_later(), False),
    ],
)
def test_a_calls_limit_wins_over_the_classs(
    store: MemoryAdapter,
    start_worker: StartWorker,
    monkeypatch: pytest.MonkeyPatch,
    enqueue: Callable[[], object],
    limited: bool,
) -> None:
    plain = spin
    monkeypatch.setattr(f"{__name__}.spin", lambda seconds=0.2: plain(seconds))
    enqueue()
    start_worker()
    until(lambda: store.stats().processed == 1)
    assert store.stats().failed == limited


def test_the_rules_answer_for_a_time_limit_as_for_any_error(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    @retry_on(JobTimeout, wait=7, attempts=3)
    class Again(Job, timeout=0.05):
        def perform(self) -> None:
            spin()

    class Rescued(Job, timeout=0.05):
        def perform(self) -> None:
            spin()

        @rescue_from(JobTimeout)
        def give_in(self, error: BaseException) -> None:
            seen.append(error)

    Again.perform_later()
    Rescued.perform_later()
    start_worker()
    until(lambda: store.stats().processed == 2)
    [failed] = store.jobs(State.RETRY).items
    assert list(failed.payload.exception_executions.values()) == [1]
    assert isinstance(seen[0], JobTimeout)


def test_callbacks_and_middleware_do_not_count_and_are_not_struck(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    class Slowly(Middleware):
        def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
            del job
            spin(0.2)
            call_next()
            spin(0.2)
            seen.append("middleware")

    class Quick(Job, timeout=0.1):
        @around_perform
        def slowly(self) -> Iterator[None]:
            spin(0.2)
            yield
            spin(0.2)
            seen.append("callback")

        def perform(self) -> None:
            seen.append("body")

    middleware.add(Slowly())
    Quick.perform_later()
    start_worker()
    until(lambda: store.stats().processed == 1)
    assert seen == ["body", "callback", "middleware"]
    assert store.stats().failed == 0


@retry_on(JobTimeout, wait=3600, attempts=9)
class Brief(Job, timeout=0.002):
    def perform(self, seconds: float) -> None:
        spin(seconds)
        seen.append(seconds)


@pytest.mark.usefixtures("without_gc")
def test_limits_that_strike_at_the_very_end_harm_nobody(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    """Each is struck somewhere around its end: the next of the thread must never notice."""
    number = 400
    for at in range(number):
        Brief.perform_later(0.0012 + 0.0008 * at / number)
    others = set(threading.enumerate())  # of earlier tests, which may end meanwhile
    worker = start_worker(concurrency=2)
    until(lambda: store.stats().processed == number, 150)
    stats = store.stats()
    # One that was struck behind its last line is in both.
    assert stats.failed == stats.retry >= number - len(seen)
    assert len(seen) > 0
    assert worker.desk.inbox.empty()
    alive = {each for each in threading.enumerate() if each.name in POOL}
    assert len(alive - others) == 3  # one of them leads


@pytest.fixture
def without_gc() -> Iterator[None]:
    """What others have called by the garbage collector would swallow an error that lands in it."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are written off a fifth of a second behind their limit."""
    plain = Timer.__init__
    monkeypatch.setattr(
        Timer, "__init__", lambda self, desk, off: plain(self, desk, off, grace=0.2)
    )


class Deaf(Job, timeout=0.05):
    """Sits in C code."""

    def perform(self, number: int) -> None:
        seen.append(("begun", number))
        gate.wait(30)
        seen.append(("ended", number))


class DeafCoroutine(Job, timeout=0.05):
    async def perform(self, number: int) -> None:
        seen.append(("begun", number))
        while not gate.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        seen.append(("ended", number))


class Note(Job):
    def perform(self) -> None:
        seen.append("note")


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("kind", [Deaf, DeafCoroutine])
def test_a_thread_that_does_not_come_back_is_written_off_and_replaced(
    store: MemoryAdapter, start_worker: StartWorker, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    kind.perform_later(1)
    start_worker(concurrency=1)
    until(lambda: store.stats().retry == 1)
    assert "JobTimeout" in failure_in(store)
    Note.perform_later()
    until(lambda: "note" in seen)
    assert "does not end at its time limit" in caplog.text
    assert ("in perform" if kind is Deaf else "run_forever") in caplog.text
    gate.set()
    until(lambda: [each.name in POOL for each in threading.enumerate()].count(True) == 2)
    until(lambda: store.stats().processed == 2)
    assert store.stats().failed == 1


@pytest.mark.usefixtures("hurried")
def test_a_job_that_was_written_off_is_retried_when_its_old_thread_must_be_gone(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    @retry_on(JobTimeout, wait=0)
    class Soon(Deaf):
        pass

    before = time.time()
    Soon.perform_later(1)
    start_worker(concurrency=1, shutdown_timeout=40)
    until(lambda: store.stats().retry == 1)
    [failed] = store.jobs(State.RETRY).items
    assert (failed.payload.scheduled_at or 0) >= before + 40


@pytest.mark.usefixtures("hurried")
def test_the_hooks_of_a_job_that_was_written_off_run_once_and_its_late_end_counts_nothing(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    class Stubborn(Job, timeout=0.05, retry=0):
        def perform(self) -> None:
            with suppress(BaseException):
                gate.wait(30)  # what is raised arrives when this returns, and nowhere else

    @middleware.on_death
    def died(job: Any, error: BaseException) -> None:
        seen.append((type(job).__name__, type(error).__name__))

    Stubborn.perform_later()
    start_worker(concurrency=1)
    until(lambda: store.stats().dead == 1)
    gate.set()
    until(lambda: [each.name in POOL for each in threading.enumerate()].count(True) == 2)
    assert seen == [("Stubborn", "JobTimeout")]
    assert (store.stats().processed, store.stats().failed) == (1, 1)


@pytest.mark.usefixtures("hurried")
def test_a_supervisor_is_told_of_a_lost_thread_and_the_worker_asks_to_leave(
    store: MemoryAdapter,
) -> None:
    from jobkit.settings import Queues
    from jobkit.worker import Worker, WorkerOptions

    told: list[str] = []
    options = WorkerOptions(queues=Queues(("default",)), concurrency=1)
    worker = Worker(store, options, stuck=lambda: told.append("stuck"))
    assert worker.start()
    Deaf.perform_later(1)
    assert worker.next_message() == "stuck"
    assert told == ["stuck"]
    worker.stop(30)
    assert store.stats().retry == 1


def test_an_error_of_the_timer_itself_ends_the_worker(
    store: MemoryAdapter, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(timer, "raise_in", broken)
    Slow.set(timeout=0.01).perform_later()
    worker = start_worker()
    message: Any = worker.next_message()
    assert message.part == "timer"


@pytest.mark.parametrize("deliveries", [1, 3])
def test_a_job_whose_process_was_ended_for_its_time_limit_fails_by_that_and_does_not_run(
    store: MemoryAdapter, start_worker: StartWorker, deliveries: int
) -> None:
    @retry_on(JobTimeout, wait=60, attempts=2)
    class Long(Job, timeout=7):
        def perform(self) -> None:
            seen.append("ran")

    mark = {"overrun": True, "deliveries": deliveries}
    store.enqueue([Payload.of({"class": Long._name, "args": [], "jid": "1", **mark})])
    start_worker()
    until(lambda: store.stats().retry == 1)
    assert seen == []
    [failed] = store.jobs(State.RETRY).items
    fields = failed.payload.fields
    assert fields["error_message"] == "the job ran longer than its limit of 7 s"
    assert fields["executions"] == 1
    assert fields.keys().isdisjoint(mark)
    assert store.stats().failed == 1


TRACED = """
import sys, threading, time
from jobkit.worker.timer import raise_in

def listen():
    try:
        time.sleep({stays_away})
    except ValueError:
        pass

other = threading.Thread(target=listen, daemon=True)
other.start()
{sent}
sys.settrace(lambda *_: None)
(lambda: print("went on"))()
"""


@pytest.mark.parametrize(
    ("stays_away", "sent"),
    [
        (0.3, "raise_in(other.ident, ValueError); other.join()"),
        (30, "raise_in(other.ident, ValueError); raise_in(other.ident, None)"),
        (30, "raise_in(other.ident, ValueError)"),
        (0, "raise_in(threading.get_ident(), None)"),
    ],
    ids=["and has arrived", "and was taken back", "and waits to be heard", "to nobody"],
)
def test_where_an_error_was_sent_to_a_thread_traced_code_goes_on(
    stays_away: float, sent: str
) -> None:
    script = TRACED.format(stays_away=stays_away, sent=sent)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=55, check=False
    )
    assert (done.stdout, done.stderr) == ("went on\n", "")
