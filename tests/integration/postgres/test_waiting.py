"""Waking idle workers: by LISTEN where it can be had, and without it all the same."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from math import inf
from statistics import median, quantiles

import psycopg
import pytest

from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql import listening
from tests.servers.postgres import Postgres
from tests.timing import Queued
from tests.unit.sql.support import claim, enqueue, payload

QUEUES = ("default",)


def unhindered(server: Postgres, took: Callable[[], float]) -> float:
    """Those seconds, without the ones in which others had the processor."""
    with Queued([os.getpid(), *server.family()]) as queued:
        seconds = took()
    return seconds - queued.seconds


def woken_after(waiter: SqlAdapter, act: Callable[[], object], timeout: float = 20) -> float:
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
    while (half >= 0.01 or nearly_all >= 0.07) and rounds < 5:
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
    adapter: SqlAdapter, worker: str, waiter: SqlAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_LISTENING", inf)
    for _ in range(10):
        waiter.wait(QUEUES, 0.1)
        enqueue(adapter)
        waiter.wait(QUEUES, 30)
        claim(adapter, worker)
        enqueue(adapter)  # within the window: nobody rings
        began = time.monotonic()
        waiter.wait(QUEUES, 30)
        assert time.monotonic() - began < 30, "nothing woke it"
        claim(adapter, worker)


def test_a_storm_of_jobs_rings_now_and_then(adapter: SqlAdapter, other: psycopg.Connection) -> None:
    heard = psycopg.connect(other.info.dsn, autocommit=True)
    heard.execute('LISTEN "jobkit_here"')
    began = time.monotonic()
    for _ in range(300):
        enqueue(adapter)
    took = time.monotonic() - began
    other.execute("SELECT pg_notify('jobkit_here', 'no more')")
    rung = 0
    for each in heard.notifies(timeout=30):
        if each.payload == "no more":
            break
        rung += 1
    heard.close()
    assert 1 <= rung <= took / listening.WINDOW + 1


def test_notifications_do_not_pile_up_while_nobody_waits(
    waiter: SqlAdapter, other: psycopg.Connection
) -> None:
    listener = waiter._store._here().database._listener  # type: ignore[attr-defined]
    while listener._line is None:
        waiter.wait(QUEUES, 0.01)
    waiter.wait(QUEUES, 0)
    before = listener._heard
    for nth in range(1_000):
        other.execute(f"SELECT pg_notify('jobkit_here', '{nth}')".encode())
    deadline = time.monotonic() + 30
    while listener._heard < before + 1_000:
        assert time.monotonic() < deadline
        waiter.maintain(limit=1)


def test_nobody_listens_once_a_worker_has_left(waiter: SqlAdapter) -> None:
    """The adapter stays open where a program goes on: nobody would read what comes."""
    listener = waiter._store._here().database._listener  # type: ignore[attr-defined]
    while listener._line is None:
        waiter.wait(QUEUES, 0.01)
    waiter.retire("worker")
    assert listener._line is None


def test_a_connection_that_listened_and_died_is_replaced(
    adapter: SqlAdapter, waiter: SqlAdapter, other: psycopg.Connection, postgres: Postgres
) -> None:
    [before] = listens(other)
    other.execute("SELECT pg_terminate_backend(%s)", [before])
    took = unhindered(postgres, lambda: woken_after(waiter, lambda: enqueue(adapter)))
    assert took < 1, "the poll finds it meanwhile"
    deadline = time.monotonic() + 30
    while listens(other) in ([], [before]):
        assert time.monotonic() < deadline, "it listens no more"
        time.sleep(0.02)


def test_without_a_connection_that_listens_polling_is_enough(
    adapter: SqlAdapter,
    connect: Callable[[], SqlAdapter],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise psycopg.OperationalError("as by a pooler")

    monkeypatch.setattr(listening.Listener, "_connect", refuse)
    waiter = connect()
    assert unhindered(postgres, lambda: woken_after(waiter, lambda: enqueue(adapter))) < 1


def test_a_connection_that_died_silently_costs_a_second_at_most(
    adapter: SqlAdapter, waiter: SqlAdapter, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bell that nobody hears is as a connection that is gone without a word."""
    monkeypatch.setattr(listening.Bell, "is_due", lambda _: False)
    act = partial(adapter.enqueue, [payload()])
    assert unhindered(postgres, lambda: woken_after(waiter, act)) < 1.5


def test_closing_ends_the_waiting_and_what_it_used(
    waiter: SqlAdapter, other: psycopg.Connection, postgres: Postgres
) -> None:
    def closed() -> float:
        began = time.monotonic()
        waiter.close()
        return time.monotonic() - began

    assert unhindered(postgres, closed) < 0.4
    deadline = time.monotonic() + 30
    while listens(other):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not [each for each in threading.enumerate() if each.name == "jobkit-listener"]
