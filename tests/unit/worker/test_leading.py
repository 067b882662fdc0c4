"""A job that is lent while all rest runs on the thread that heard of it, and another leads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from jobkit import Job, middleware
from jobkit.adapter import Claim, State
from jobkit.errors import AdapterError
from jobkit.worker import process
from jobkit.worker.alone import SUSPECT
from jobkit.worker.desk import Broken
from jobkit.worker.idle import IDLE_WAIT
from jobkit.worker.pace import Pace
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import looks_anew, until
from tests.unit.worker.lending import Lender, until_counts

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


def numbers() -> list[int]:
    return [number for number, _ in ran]


def until_runs(number: int) -> None:
    until(lambda: numbers()[-1:] == [number])


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


def test_a_stop_does_not_wait_for_a_store_that_does_not_answer_who_leads(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job runs on that thread, and those that ran have ended."""
    asked = threading.Event()

    def hangs(*_: Any, **__: Any) -> list[Claim]:
        asked.set()
        assert gate.wait(60)
        return []

    monkeypatch.setattr(process, "PART_ENDS_WITHIN", 0.1)
    monkeypatch.setattr(lender, "claim", hangs)
    worker = start_worker(lender, concurrency=2)
    assert asked.wait(30)
    began = monotonic()
    assert worker.stop(30), "all jobs have ended"
    assert monotonic() - began < 15
    gate.set()
    until(lambda: not any(thread.is_alive() for thread in worker._pool._threads))


def test_a_claimer_that_never_began_has_ended(lender: Lender) -> None:
    from jobkit.settings import Queues
    from jobkit.worker import Worker, WorkerOptions

    worker = Worker(lender, WorkerOptions(queues=Queues(("default",)), concurrency=1))
    assert worker._claimer.end(0)


def test_who_led_to_the_end_runs_nothing_more(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what came just before the end one more would run at once than are to."""
    monkeypatch.setattr(Pace, "prefetch", lambda _: 3)
    lender.busy_claims = 1
    worker = start_worker(lender, concurrency=1)
    Hold.perform_later(0)
    until(lambda: numbers() == [0])
    claim, asked = lender.claim, threading.Event()

    def comes_late(*args: Any, **kwargs: Any) -> list[Claim]:
        asked.set()
        assert worker._claimer.ending.wait(30)
        return claim(*args, **kwargs)

    monkeypatch.setattr(lender, "claim", comes_late)
    assert asked.wait(30)
    for number in (1, 2, 3):
        Hold.perform_later(number)
    stopping = threading.Thread(target=lambda: worker.stop(30))
    stopping.start()
    until(lambda: lender.stats().enqueued == 3 and worker._claimer._left.is_set())
    gate.set()
    stopping.join(30)
    assert numbers() == [0]


def test_a_job_is_counted_at_every_moment_of_its_way_to_a_thread(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    """Or the worker, which seems to rest, could be lent another for the thread that leads."""
    taken, goes_on = threading.Event(), threading.Event()

    class Slow(deque[Claim]):
        def popleft(self) -> Claim:
            claim = super().popleft()
            taken.set()
            assert goes_on.wait(30)
            return claim

    worker = start_worker(concurrency=1)
    worker._pool._waiting = Slow()
    Note.perform_later(1)
    assert taken.wait(30)
    assert worker._pool.waiting() == 0
    assert not worker._pool.idle()
    assert worker._pool.free() == worker._claimer._room() == 0
    goes_on.set()
    until(lambda: store.stats().processed == 1)


def test_no_more_are_lent_than_it_may_run(lender: Lender, start_worker: StartWorker) -> None:
    for number in range(4):
        Note.perform_later(number)
    worker = start_worker(lender, concurrency=3, max_jobs=2)
    assert worker.next_message() == "done"
    assert (numbers(), lender.stats().enqueued) == ([0, 1], 2)


def test_a_worker_that_has_taken_all_it_may_looks_calmly_for_their_end(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, looks = start_worker(lender, concurrency=2, max_jobs=1), list[None]()
    assert lender.waits.acquire(timeout=30)
    Hold.perform_later(0)
    until(lambda: numbers() == [0])
    looks_anew(worker)
    monkeypatch.setattr(worker._claimer, "_return_the_stale", lambda: looks.append(None))
    assert not gate.wait(0.3)
    gate.set()
    assert worker.next_message() == "done"
    assert len(looks) < 30


def test_one_that_brought_down_processes_runs_alone_on_another_thread(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = lender.offer
    monkeypatch.setattr(
        lender,
        "offer",
        lambda *args, **kwargs: [
            replace(each, deliveries=SUSPECT) for each in lent(*args, **kwargs)
        ],
    )
    worker = start_worker(lender, concurrency=2)
    for number in range(3):
        Note.perform_later(number)
        until_counts(lender, "processed", number + 1)
    assert numbers() == [0, 1, 2]
    assert set(lender.heard).isdisjoint(thread for _, thread in ran), "one leads all the while"
    assert worker._claimer.claimed == 3


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


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_whatever_it_raises_the_next_is_run(
    lender: Lender, start_worker: StartWorker, error: type[BaseException]
) -> None:
    class Exits(Job, retry=0):
        def perform(self) -> None:
            raise error

    worker = start_worker(lender, concurrency=1)
    for number in range(3):
        Exits.perform_later()
        until_counts(lender, "dead", number + 1)
    Note.perform_later(1)
    until(lambda: numbers() == [1])
    assert worker.desk.inbox.empty()


def test_coroutines_run_side_by_side_with_what_is_lent(
    lender: Lender, start_worker: StartWorker
) -> None:
    class Awaits(Job, timeout=30):
        async def perform(self, number: int) -> None:
            ran.append((number, threading.current_thread()))
            await asyncio.to_thread(gate.wait, 30)

    worker = start_worker(lender, concurrency=2)
    assert lender.waits.acquire(timeout=30)
    Awaits.perform_later(0)
    until_runs(0)
    assert len(lender.heard) == 1
    lender.busy_claims = 1
    for number in (1, 2):
        Awaits.perform_later(number)
    until_runs(1)
    looks_anew(worker)
    assert numbers() == [0, 1]
    gate.set()
    until_counts(lender, "processed", 3)


def test_quiet_it_ends_and_nothing_is_taken(lender: Lender, start_worker: StartWorker) -> None:
    worker = start_worker(lender, concurrency=2)
    assert lender.waits.acquire(timeout=30)
    Hold.perform_later(0)
    until_runs(0)
    worker.quiet()
    lender.busy_claims = 1
    Note.perform_later(1)
    gate.set()
    until_counts(lender, "processed", 1)
    looks_anew(worker)
    assert numbers() == [0]
    assert worker.stop(30)


def test_when_the_lease_is_lost_meanwhile_another_leads_on_under_a_new_name(
    lender: Lender, start_worker: StartWorker
) -> None:
    worker = start_worker(lender, concurrency=1)
    assert lender.waits.acquire(timeout=30)
    Hold.perform_later(0)
    until_runs(0)
    lost = worker.id
    lender.beat("rescuer", lease=60, claims=[], register=True)
    assert len(lender.recover(lost, to="rescuer")) == 1
    until(lambda: worker.id != lost and not worker.desk.fenced.is_set())
    gate.set()
    Note.perform_later(1)
    until_counts(lender, "processed", 1)
    assert numbers() == [0, 1]
    assert len(lender.held("rescuer") or ()) == 1, "its late end counts for nothing"


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
