"""The moments in which the thread that leads begins, and ends, to run what it claimed.

Each is held open here, since threads meet in it once in ten thousand times.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest

from jobkit import Job
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until
from tests.unit.worker.noting import (
    Hold,
    Noting,
    Tiny,
    gate,
    numbers,
    one_does_all,
    ran,
    threads_of,
)


class Before(dict[int, Any]):
    """Does something, once, before the first item is set."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._acts = [act]

    def __setitem__(self, key: int, value: Any) -> None:
        while self._acts:
            self._acts.pop()()
        super().__setitem__(key, value)


def test_a_thread_that_lies_down_runs_nothing_beside_the_one_in_its_place(
    noting: Noting, start_worker: StartWorker, unhurried: None
) -> None:
    """The bug: it counted as resting, looked once more, saw what waited, and ran that as well."""
    worker = start_worker(noting, concurrency=1)
    pool, look = worker._pool, worker._pool.waiting
    one_does_all(worker)
    noting.add(Hold, 0)
    until(lambda: numbers() == [0])
    (first,) = threads_of(0)

    def looks_late() -> int:
        lies_down = sys._getframe(1).f_code.co_name == "get"
        deadline = monotonic() + 5
        while lies_down and threading.current_thread() is first and monotonic() < deadline:
            if len(ran) > 1:
                break
            sleep(0.001)
        return look()

    pool.waiting = looks_late  # type: ignore[method-assign]
    assert pool.relieve()
    until(lambda: pool._leads is not None)
    gate.set()
    until(lambda: noting.stats().processed == 1)
    until(lambda: pool.resting() == 1)
    gate.clear()
    one_does_all(worker)
    noting.add(Hold, 1, 2)
    until(lambda: len(ran) > 1)
    sleep(0.1)
    assert (pool.busy(), numbers()) == (1, [0, 1])
    gate.set()
    until(lambda: noting.stats().processed == 3)


def test_all_that_are_called_as_it_begins_run_the_jobs_and_it_goes_on_to_lead(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=3)
    worker._pool._out = Before(worker._sizing._have_all)
    noting.add(Hold, 0, 1)
    until(lambda: numbers() == [0, 1])
    noting.add(Tiny, 2)
    until(lambda: noting.stats().processed == 1)


def test_what_is_to_end_as_it_begins_starts_nothing(
    noting: Noting, start_worker: StartWorker, unhurried: None
) -> None:
    worker = start_worker(noting, concurrency=2)
    worker._pool.call = lambda threads: None  # type: ignore[method-assign]
    one_does_all(worker)
    worker._pool._out = Before(lambda: worker._claimer.end(0))
    noting.add(Tiny, 0, 1)
    assert worker._claimer.ended(30)
    assert (numbers(), worker._pool.waiting()) == ([], 2)


def test_with_nobody_to_hold_others_run_it(
    noting: Noting, one_at_work: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = one_at_work(concurrency=2)
    monkeypatch.setattr(worker._pool._calls, "hold", lambda: None)
    monkeypatch.setattr(worker._claimer, "_await_room", lambda: sleep(0.01))
    noting.add(Tiny, 0)
    until(lambda: noting.stats().processed == 1)
    assert threads_of(0) != noting.claiming


def test_who_rests_is_called_when_it_is_let_go_and_not_before(
    noting: Noting, one_at_work: StartWorker
) -> None:
    worker = one_at_work(concurrency=1)
    noting.add(Hold, 0)
    until(lambda: numbers() == [0])
    pool = worker._pool
    assert (pool.resting(), pool.awake()) == (0, 1)
    pool._calls.put(None)
    sleep(0.02)
    assert len(pool._calls._calls) == 1
    gate.set()
    until(lambda: not pool._calls._calls)
    until(lambda: pool.resting() == 1)


def test_nothing_is_settled_with_nothing(noting: Noting, start_worker: StartWorker) -> None:
    worker = start_worker(noting, concurrency=1)
    before = noting.trips
    worker._settler.kept(0)
    assert noting.trips == before


def test_the_settler_hears_of_its_end_though_the_one_that_leads_settles_meanwhile(
    noting: Noting, start_worker: StartWorker
) -> None:
    settler = start_worker(noting, concurrency=1)._settler
    about_to_wait, go_on = threading.Event(), threading.Event()

    class Late(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            about_to_wait.set()
            go_on.wait(30)
            return super().wait(timeout)

    usual, settler._some = settler._some, Late()
    usual.set()  # so that it goes round once
    assert about_to_wait.wait(30)
    settler.ending.set()
    settler.wake()
    with settler._turn:
        settler._gathered()
    go_on.set()
    assert settler.ended(30)


class Forks(Job, retry=0):
    """Its child comes back from it, as after an `exec` that failed."""

    def perform(self, number: int) -> None:
        with warnings.catch_warnings(action="ignore"):
            children.append(os.fork())
        if not children[-1]:
            sys.exit(number)


class Tells(Job):
    def perform(self, number: int) -> None:
        os.write(number, f"{os.getpid()}\n".encode())


children: list[int] = []


def test_a_forks_child_that_comes_back_from_its_job_is_no_worker(
    noting: Noting, one_at_work: StartWorker
) -> None:
    """The bug: it led on in the child, and took jobs under the name of its parent."""
    one_at_work(concurrency=2)
    told, tell = os.pipe()
    with os.fdopen(told) as pids:
        noting.add(Forks, 1)
        noting.add(Tells, *[tell] * 20)
        until(lambda: noting.stats().processed == 21)
        try:
            until(lambda: os.waitpid(children[-1], os.WNOHANG)[0])
        except BaseException:
            os.kill(children[-1], signal.SIGKILL)
            raise
        os.close(tell)
        assert pids.read().split() == [str(os.getpid())] * 20
