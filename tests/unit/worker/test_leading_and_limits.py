"""What the time limit of a job that ran on the thread that leads does to that thread: nothing."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from jobkit import Job
from jobkit.worker.timer import Alarm, Timer
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until
from tests.unit.worker.lending import Lender, until_counts

ran: list[tuple[int, threading.Thread]] = []
gate = threading.Event()


class Note(Job):
    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    gate.clear()
    yield
    gate.set()


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
    until(lambda: [number for number, _ in ran] == [0, 1])
    gate.set()
    until(lambda: not stuck.is_alive())
    assert lender.stats().processed == 2


@pytest.fixture
def turns() -> Iterator[None]:
    """Threads run by short turns, and nothing is called by the garbage collector.

    Such a call would swallow an error that lands in it.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00002)
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("turns")
def test_limits_that_strike_at_its_very_end_never_reach_who_leads(
    lender: Lender, start_worker: StartWorker
) -> None:
    """What is raised in its thread comes then or not at all, though the same leads on at once."""

    class Brief(Job, timeout=0.002, retry=0):
        def perform(self, number: int) -> None:
            ends = monotonic() + 0.0019 + 0.0004 * number / number_of_jobs
            while monotonic() < ends:
                pass
            ran.append((number, threading.current_thread()))

    number_of_jobs = 250
    worker = start_worker(lender, concurrency=1)
    for number in range(number_of_jobs):
        Brief.perform_later(number)
        until_counts(lender, "processed", number + 1)
    stats = lender.stats()
    assert stats.failed == stats.dead >= number_of_jobs - len(ran)
    assert len(ran) > 0
    assert worker.desk.inbox.empty()
    assert all(thread.is_alive() for thread in worker._pool._threads)
    until(lambda: worker._pool.free() == 1)


def test_a_limit_that_strikes_behind_its_end_is_no_matter(
    lender: Lender, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Brief(Job, timeout=0.001, retry=0):
        def perform(self) -> None:
            pass

    struck, lets_go = list[Alarm](), Timer.let_go

    def late(timer: Timer, alarm: Alarm) -> bool:
        if alarm not in struck:
            struck.append(alarm)
            until(lambda: alarm.fired)  # it arrives here, or on the way out
        return lets_go(timer, alarm)

    monkeypatch.setattr(Timer, "let_go", late)
    worker = start_worker(lender, concurrency=1)
    for number in range(20):
        Brief.perform_later()
        until_counts(lender, "processed", number + 1)
    assert len(struck) == 20
    assert lender.stats().failed == 0
    assert worker.desk.inbox.empty()
    assert all(thread.is_alive() for thread in worker._pool._threads)
