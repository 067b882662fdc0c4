"""While jobs are tiny the thread that leads does all: it claims, runs and settles."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from time import sleep
from typing import Any

import pytest

from jobkit import Job
from jobkit.adapter import State
from jobkit.worker.desk import Broken
from jobkit.worker.timer import Timer
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until
from tests.unit.worker.noting import (
    Apart,
    Deaf,
    Hold,
    Noting,
    Tiny,
    gate,
    let_go,
    numbers,
    ran,
    threads_of,
)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_thread_that_leads_claims_runs_and_settles(
    noting: Noting, one_at_work: StartWorker, concurrency: int
) -> None:
    worker = one_at_work(concurrency=concurrency)
    noting.add(Tiny, *range(3_000))
    until(lambda: noting.stats().processed == 3_000)
    assert numbers() == [*range(3_000)]
    assert {thread for _, thread in ran} == noting.claiming
    (leads,) = noting.claiming
    assert noting.settling[leads] > 2_000, "but for what were few"
    until(lambda: not worker.desk.held)
    assert worker._claimer.claimed == 3_000


def test_another_thread_takes_over_from_one_in_a_long_job(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=2)
    noting.add(Tiny, 0, 1, 2)
    noting.add(Hold, 3)
    noting.add(Tiny, 4, 5)
    until(lambda: 3 in numbers())
    assert numbers() == [0, 1, 2, 3]
    (held,) = worker._pool.running()
    assert not worker._pool.relieve({"of another"})
    assert worker._pool.relieve({held.receipt})
    until(lambda: noting.stats().processed == 5)
    assert threads_of(3) == threads_of(0)
    assert threads_of(5) == threads_of(4)
    assert threads_of(4) != threads_of(3)
    assert not worker._pool.relieve(), "who leads runs nothing"
    gate.set()
    until(lambda: noting.stats().processed == 6)
    until(lambda: worker._pool.resting() == 2)
    assert worker._pace.one


def test_what_it_did_before_is_settled_when_another_takes_over(
    noting: Noting, one_at_work: StartWorker
) -> None:
    """And with no more jobs there is nobody else to settle it."""
    worker = one_at_work(concurrency=2)
    noting.add(Tiny, *range(20))
    noting.add(Hold, 20)
    until(lambda: 20 in numbers())
    assert worker._pool.relieve()
    until(lambda: noting.stats().processed == 20)


def test_what_it_does_at_the_moment_is_settled_when_another_has_taken_over(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=2)
    noting.add(Hold, 0)
    until(lambda: numbers() == [0])
    assert worker._pool.relieve()
    until(lambda: worker._pool._leads is not None)
    gate.set()
    until(lambda: noting.stats().processed == 1)


def test_nor_does_that_wait_for_the_long_job_of_who_leads_now(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=3)
    noting.add(Apart, 0)
    noting.add(Hold, 1)
    until(lambda: numbers() == [0])
    assert worker._pool.relieve()
    until(lambda: numbers() == [0, 1])
    let_go.set()
    until(lambda: noting.stats().processed == 1)
    assert threads_of(1) != threads_of(0)


def test_with_all_threads_in_long_jobs_nobody_runs_one_more(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=2)
    noting.add(Hold, 0, 1, 2)
    for number in range(2):
        until(lambda number=number: len(ran) == number + 1)  # type: ignore[misc]
        assert worker._pool.relieve() or number == 1
    until(lambda: worker._pool.free() == 0)
    worker._pool.relieve()
    sleep(0.1)
    assert len(ran) == 2
    gate.set()
    until(lambda: noting.stats().processed == 3)


def test_a_stop_waits_for_its_job_and_gives_back_the_rest(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=2)
    noting.add(Tiny, 0)
    noting.add(Hold, 1)
    noting.add(Tiny, 2, 3)
    until(lambda: 1 in numbers())
    stopping = threading.Thread(target=lambda: worker.stop(30))
    stopping.start()
    until(worker._claimer._left.is_set)
    assert stopping.is_alive()
    gate.set()
    stopping.join(30)
    assert not stopping.is_alive()
    assert numbers() == [0, 1]
    assert (noting.stats().processed, noting.stats().enqueued) == (2, 2)
    assert not any(thread.is_alive() for thread in worker._pool._threads)
    assert worker.desk.inbox.empty()


def test_what_the_store_does_not_take_from_it_is_settled_later(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=2)
    noting.away = True
    noting.add(Tiny, *range(400))
    until(lambda: worker._settler.behind)
    noting.add(Tiny, *range(400, 410))
    sleep(0.05)
    assert len(ran) == 400, "nothing is claimed meanwhile"
    noting.away = False
    until(lambda: noting.stats().processed == 410)
    assert numbers() == [*range(410)]
    until(lambda: not worker._settler.behind)


def test_what_the_store_did_not_take_is_tried_once_more_at_the_end(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=2)
    noting.away = True
    noting.add(Tiny, *range(400))
    until(lambda: worker._settler.behind)
    noting.away = False
    assert worker.stop(30)
    assert noting.stats().processed == 400


def test_it_settles_what_others_deliver_beside_it(noting: Noting, one_at_work: StartWorker) -> None:
    worker = one_at_work(concurrency=3)
    noting.add(Hold, 0)
    until(lambda: numbers() == [0])
    assert worker._pool.relieve()
    noting.add(Tiny, *range(1, 2_000))
    until(lambda: noting.stats().processed > 0)
    gate.set()
    until(lambda: noting.stats().processed == 2_000)


def test_a_thread_that_does_not_come_back_is_replaced_and_another_leads(
    noting: Noting, one_at_work: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Timer.__init__
    monkeypatch.setattr(
        Timer, "__init__", lambda self, desk, off: plain(self, desk, off, grace=0.2)
    )
    worker = one_at_work(concurrency=2, shutdown_timeout=0.2)
    noting.add(Deaf, 0)
    until(lambda: numbers() == [0])
    noting.add(Tiny, 1, 2)
    until(lambda: noting.stats().processed == 3)
    assert noting.stats().dead == 1
    (deaf,) = threads_of(0)
    assert deaf not in worker._pool._threads
    gate.set()
    deaf.join(30)
    assert not deaf.is_alive()
    assert worker.desk.inbox.empty(), "no part broke by that"
    noting.add(Tiny, 3)
    until(lambda: noting.stats().processed == 4)


def test_an_error_of_its_own_is_told(
    noting: Noting, one_at_work: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = one_at_work(concurrency=2)

    def breaks(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker._settler, "kept", breaks)
    noting.add(Tiny, 0)
    message = worker.desk.inbox.get(timeout=30)
    assert isinstance(message, Broken)
    assert message.part == "claimer"


def test_a_burst_comes_to_its_end(noting: Noting, one_at_work: StartWorker) -> None:
    noting.add(Tiny, *range(1_000))
    worker = one_at_work(concurrency=2, burst=True)
    assert worker.desk.inbox.get(timeout=30) == "done"
    assert worker.stop(30)
    assert (noting.stats().processed, noting.jobs(State.RUNNING).items) == (1_000, ())


def test_it_takes_no_more_than_it_may(noting: Noting, one_at_work: StartWorker) -> None:
    noting.add(Tiny, *range(1_000))
    worker = one_at_work(concurrency=2, max_jobs=700)
    assert worker.desk.inbox.get(timeout=30) == "done"
    assert worker.stop(30)
    assert noting.stats().processed == 700


# By chance.

lock = threading.Lock()
inside: set[int] = set()
most: list[int] = []


class Brief(Job, timeout=30, retry=0):
    def perform(self, number: int) -> None:
        with lock:
            inside.add(number)
            most.append(len(inside))
            ran.append((number, threading.current_thread()))
        sleep(random.choice((0, 0, 0, 0, 0, 0.0002, 0.002)))
        with lock:
            inside.remove(number)
        if number % 7 == 0:
            raise SystemExit(number)


@pytest.fixture
def hasty() -> Iterator[None]:
    inside.clear()
    most.clear()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_whoever_leads_each_job_runs_once_and_not_too_many_at_once(
    noting: Noting, one_at_work: StartWorker, hasty: None, concurrency: int
) -> None:
    worker = one_at_work(concurrency=concurrency)
    for start in range(0, 1_200, 60):
        noting.add(Brief, *range(start, start + 60))
        for _ in range(4):
            sleep(random.choice((0, 0.0005, 0.003)))
            match random.randrange(4):
                case 0:
                    worker._sizing._have_all()
                case 1:
                    worker._pool.relieve({claim.receipt for claim in worker._pool.running()})
                case _:
                    worker._pace.one = True
    until(lambda: noting.stats().processed == 1_200)
    assert numbers() == [*range(1_200)]
    assert max(most) <= concurrency
    until(lambda: worker._pool.free() == concurrency)
    assert worker._claimer.claimed == 1_200
    assert worker.stop(30)
    assert worker.desk.inbox.empty()
