"""A job that is lent while all rest runs on the thread that heard of it, and another leads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobkit import Job, backends, middleware
from jobkit.adapter import Claim, State
from jobkit.errors import AdapterError
from jobkit.offering import SupportsOffers
from jobkit.worker.desk import Broken
from jobkit.worker.idle import IDLE_WAIT
from jobkit.worker.timer import Timer
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import looks_anew, until


class Lender(MemoryAdapter, SupportsOffers):
    """Lends every job to a worker that waits, and notes to which of its threads."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[threading.Thread] = []
        self.breaks = False
        self.waits = threading.Semaphore(0)
        self.busy_claims = 0

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        """Nothing, while all rest: what comes is lent."""
        return super().claim(queues, limit=limit, worker=worker) if self.busy_claims else []

    def offer(self, queues: Sequence[str], timeout: float, *, worker: str) -> list[Claim]:
        self.waits.release()
        if self.breaks:
            raise ZeroDivisionError
        lent = super().claim(queues, limit=1, worker=worker)
        if not lent:
            self.wait(queues, timeout)
            lent = super().claim(queues, limit=1, worker=worker)
        if lent:
            self.heard.append(threading.current_thread())
        return lent

    def withdraw(self, worker: str) -> list[Claim]:
        return []


ran: list[tuple[int, threading.Thread]] = []
gate = threading.Event()


class Note(Job):
    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))


class Hold(Job, timeout=30):
    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))
        gate.wait(30)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    gate.clear()
    yield
    gate.set()


@pytest.fixture
def lender(store: MemoryAdapter) -> Iterator[Lender]:
    del store  # in its place: what is overridden last counts
    lender = Lender()
    with backends.override(lender):
        yield lender
    gate.set()


def numbers() -> list[int]:
    return [number for number, _ in ran]


def until_runs(number: int) -> None:
    until(lambda: numbers()[-1:] == [number])


def until_counts(lender: Lender, what: str, number: int) -> None:
    until(lambda: getattr(lender.stats(), what) == number)


def test_the_thread_that_hears_of_a_job_runs_it(lender: Lender, start_worker: StartWorker) -> None:
    worker = start_worker(lender, concurrency=3)
    for number in range(30):
        Note.perform_later(number)
        until_counts(lender, "processed", number + 1)
    assert numbers() == list(range(30))
    assert [thread for _, thread in ran] == lender.heard
    assert set(lender.heard) <= set(worker._pool._threads)
    until(lambda: worker._pool.free() == 3)
    assert not worker.desk.held
    assert worker._claimer.claimed == 30


def test_another_thread_claims_meanwhile(lender: Lender, start_worker: StartWorker) -> None:
    start_worker(lender, concurrency=2)
    assert lender.waits.acquire(timeout=30)
    Hold.perform_later(0)
    until(lambda: numbers() == [0])
    lender.busy_claims = 1
    for number in (1, 2, 3):
        Note.perform_later(number)
    until(lambda: lender.stats().processed == 3)
    assert sorted(numbers()) == [0, 1, 2, 3]
    assert lender.jobs(State.RUNNING).items != ()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_no_more_run_at_once_than_there_are_to(
    lender: Lender, start_worker: StartWorker, concurrency: int
) -> None:
    worker = start_worker(lender, concurrency=concurrency)
    assert lender.waits.acquire(timeout=30)
    Hold.perform_later(0)
    until(lambda: numbers() == [0])
    lender.busy_claims = 1
    for number in range(1, 4):
        Hold.perform_later(number)
    until(lambda: len(ran) == concurrency)
    assert worker._pool.free() == 0
    looks_anew(worker)
    looks_anew(worker)
    assert len(ran) == concurrency
    assert lender.stats().enqueued == 4 - concurrency, "nothing waits behind it in hand"
    gate.set()
    until(lambda: lender.stats().processed == 4)


def test_a_worker_that_stops_waits_for_it_and_settles_it(
    lender: Lender, start_worker: StartWorker
) -> None:
    worker = start_worker(lender, concurrency=2)
    assert lender.waits.acquire(timeout=30)
    Hold.perform_later(0)
    until(lambda: numbers() == [0])
    stopping = threading.Thread(target=lambda: worker.stop(30))
    stopping.start()
    until(worker.desk.stopping.is_set)
    until(worker._claimer._left.is_set)
    assert lender.stats().processed == 0
    gate.set()
    stopping.join(30)
    assert not stopping.is_alive()
    assert lender.stats().processed == 1
    assert not any(thread.is_alive() for thread in worker._pool._threads)


def test_a_worker_that_waits_stops_at_once(lender: Lender, start_worker: StartWorker) -> None:
    worker = start_worker(lender, concurrency=2)
    assert lender.waits.acquire(timeout=30)
    assert worker._claimer.end(30 * IDLE_WAIT)
    assert worker._claimer.end(0), "asked again it has still ended"
    assert worker.stop(5)


def test_a_claimer_that_never_began_has_ended(lender: Lender) -> None:
    from jobkit.settings import Queues
    from jobkit.worker import Worker, WorkerOptions

    worker = Worker(lender, WorkerOptions(queues=Queues(("default",)), concurrency=1))
    assert worker._claimer.end(0)


def test_what_breaks_the_thread_that_leads_ends_the_worker(
    lender: Lender, start_worker: StartWorker
) -> None:
    worker = start_worker(lender, concurrency=2)
    lender.breaks = True
    message = worker.next_message()
    assert isinstance(message, Broken)
    assert (message.part, type(message.error)) == ("claimer", ZeroDivisionError)


def test_a_store_that_fails_is_asked_again_by_the_same_thread(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered, failed = lender.offer, list[threading.Thread]()

    def fails_first(*args: Any, **kwargs: Any) -> list[Claim]:
        if not failed:
            failed.append(threading.current_thread())
            raise AdapterError("away")
        return offered(*args, **kwargs)

    monkeypatch.setattr(lender, "offer", fails_first)
    start_worker(lender, concurrency=2)
    Note.perform_later(1)
    until(lambda: lender.stats().processed == 1)
    assert [thread for _, thread in ran] == failed == lender.heard


def test_whatever_it_raises_the_next_is_run(lender: Lender, start_worker: StartWorker) -> None:
    class Exits(Job, retry=0):
        def perform(self) -> None:
            raise SystemExit(3)

    worker = start_worker(lender, concurrency=1)
    for number in range(3):
        Exits.perform_later()
        until_counts(lender, "dead", number + 1)
    Note.perform_later(1)
    until(lambda: numbers() == [1])
    assert worker.desk.inbox.empty()


def test_its_time_limit_is_kept_and_its_thread_replaced(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(Job, timeout=0.05, retry=0):
        def perform(self) -> None:
            ran.append((0, threading.current_thread()))
            gate.wait(30)

    plain = Timer.__init__
    monkeypatch.setattr(
        Timer, "__init__", lambda self, desk, off: plain(self, desk, off, grace=0.1)
    )
    worker = start_worker(lender, concurrency=1)
    assert lender.waits.acquire(timeout=30)
    Deaf.perform_later()
    until(lambda: lender.stats().dead == 1)
    [(_, stuck)] = ran
    assert stuck not in worker._pool._threads
    Note.perform_later(1)
    until(lambda: numbers() == [0, 1])
    gate.set()
    until(lambda: not stuck.is_alive())
    assert lender.stats().processed == 2


def test_the_supervisor_can_read_which_job_each_thread_started(
    lender: Lender, start_worker: StartWorker
) -> None:
    noted: dict[int, str] = {}
    worker = start_worker(lender, concurrency=1)
    worker.desk.board.start = noted.__setitem__  # type: ignore[assignment, method-assign]
    assert lender.waits.acquire(timeout=30)
    for number in range(2):  # while one runs the other thread leads, and is to hear of the next
        Hold.perform_later(number)
        until_runs(number)
        looks_anew(worker)
        gate.set()
        until_counts(lender, "processed", number + 1)
        gate.clear()
    assert set(noted) == {0, 1}, "a row for each of its threads, of which one leads"


def test_middleware_is_told_once_that_it_begins(lender: Lender, start_worker: StartWorker) -> None:
    told: list[str] = []

    class Tells(middleware.Middleware):
        def startup(self, worker: Any) -> None:
            told.append("startup")

    middleware.add(Tells())
    start_worker(lender, concurrency=2)
    for number in range(4):
        Note.perform_later(number)
        until_counts(lender, "processed", number + 1)
    assert told == ["startup"]
    middleware.clear()
