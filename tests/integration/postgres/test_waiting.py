"""Waking idle workers: by LISTEN where it can be had, and without it all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from statistics import median, quantiles

import psycopg
import pytest

from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql import listening
from tests.unit.sql.support import claim, enqueue, payload

QUEUES = ("default",)


def woken_after(waiter: SqlAdapter, act: Callable[[], object], timeout: float = 5) -> float:
    """Seconds from the act to the end of a wait that had begun before."""
    began: list[float] = []

    def later() -> None:
        time.sleep(0.05)
        began.append(time.monotonic())
        act()

    thread = threading.Thread(target=later)
    thread.start()
    deadline = time.monotonic() + timeout
    while not began or not waiter.stats().enqueued:
        waiter.wait(QUEUES, timeout)
        assert time.monotonic() < deadline, "nobody woke it"
    woken = time.monotonic()
    thread.join()
    return woken - began[0]


def listens(other: psycopg.Connection) -> list[int]:
    """The server's processes that serve a connection which listens."""
    found = other.execute("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %here\"'")
    return [pid for (pid,) in found]


@pytest.fixture
def waiter(connect: Callable[[], SqlAdapter], other: psycopg.Connection) -> SqlAdapter:
    waiter = connect()
    waiter.wait(QUEUES, 0)
    while not listens(other):
        time.sleep(0.01)
    return waiter


def told_after(waiter: SqlAdapter, act: Callable[[], object]) -> float:
    """The same where the one thread tells the other when it has acted, and no server need."""
    began: list[float] = []
    acted = threading.Event()

    def later() -> None:
        time.sleep(0.02)
        began.append(time.monotonic())
        act()
        acted.set()

    thread = threading.Thread(target=later)
    thread.start()
    acted.wait()
    assert waiter.stats().enqueued
    woken = time.monotonic()
    thread.join()
    return woken - began[0]


def test_an_idle_worker_wakes_at_once(adapter: SqlAdapter, worker: str, waiter: SqlAdapter) -> None:
    half = nearly_all = inf
    rounds = 0
    # The rest of the machine can spoil a round, or two; what is slow in itself spoils all.
    while (half >= 0.01 or nearly_all >= 0.07) and rounds < 3:
        rounds += 1
        times, told = [], []
        for _ in range(40):
            times.append(woken_after(waiter, lambda: enqueue(adapter)))
            claim(adapter, worker)
            told.append(told_after(waiter, lambda: enqueue(adapter)))
            claim(adapter, worker)
        # Half of them, and all but the slowest: what the notification takes. The rest, some 5 ms,
        # takes as long without one.
        half = median(times) - median(told)
        nearly_all = quantiles(times, n=20)[-1] - quantiles(told, n=20)[-1]
    assert half < 0.01
    assert nearly_all < 0.07


def test_the_last_of_a_burst_waits_for_no_poll(
    adapter: SqlAdapter, worker: str, waiter: SqlAdapter
) -> None:
    slowest = 0.0
    for _ in range(10):
        waiter.wait(QUEUES, 0.1)
        enqueue(adapter)
        waiter.wait(QUEUES, 2)
        claim(adapter, worker)
        enqueue(adapter)  # within the window: nobody rings
        began = time.monotonic()
        waiter.wait(QUEUES, 2)
        slowest = max(slowest, time.monotonic() - began)
        claim(adapter, worker)
    assert slowest < 0.5


def test_a_storm_of_jobs_rings_now_and_then(adapter: SqlAdapter, other: psycopg.Connection) -> None:
    heard = psycopg.connect(other.info.dsn, autocommit=True)
    heard.execute('LISTEN "jobkit_here"')
    began = time.monotonic()
    for _ in range(300):
        enqueue(adapter)
    took = time.monotonic() - began
    rung = len(list(heard.notifies(timeout=0.2)))
    heard.close()
    assert 1 <= rung <= took / listening.WINDOW + 1


def test_a_connection_that_listened_and_died_is_replaced(
    adapter: SqlAdapter, waiter: SqlAdapter, other: psycopg.Connection
) -> None:
    [before] = listens(other)
    other.execute("SELECT pg_terminate_backend(%s)", [before])
    assert woken_after(waiter, lambda: enqueue(adapter)) < 1, "the poll finds it meanwhile"
    deadline = time.monotonic() + 10
    while listens(other) in ([], [before]):
        assert time.monotonic() < deadline, "it listens no more"
        time.sleep(0.02)


def test_without_a_connection_that_listens_polling_is_enough(
    adapter: SqlAdapter, connect: Callable[[], SqlAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise psycopg.OperationalError("as by a pooler")

    monkeypatch.setattr(listening.Listener, "_hear", refuse)
    assert woken_after(connect(), lambda: enqueue(adapter)) < 1


def test_a_connection_that_died_silently_costs_a_second_at_most(
    adapter: SqlAdapter, waiter: SqlAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bell that nobody hears is as a connection that is gone without a word."""
    monkeypatch.setattr(listening.Bell, "is_due", lambda _: False)
    assert woken_after(waiter, lambda: adapter.enqueue([payload()])) < 1.5


def test_closing_ends_the_waiting_and_what_it_used(
    waiter: SqlAdapter, other: psycopg.Connection
) -> None:
    began = time.monotonic()
    waiter.close()
    assert time.monotonic() - began < 0.4
    deadline = time.monotonic() + 5
    while listens(other):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not [each for each in threading.enumerate() if each.name == "jobkit-listener"]
