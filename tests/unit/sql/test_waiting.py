from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import watch
from tests.unit.sql.support import at_once, claim, enqueue, run

LONG = 30.0


def waited(adapter: SqlAdapter, timeout: float) -> float:
    """Seconds that a wait lasted."""
    began = time.monotonic()
    adapter.wait(["default"], timeout)
    return time.monotonic() - began


@pytest.fixture
def quiet(adapter: SqlAdapter, worker: str) -> SqlAdapter:
    """An adapter that has seen all there is to see."""
    del worker
    adapter.wait(["default"], 0)
    return adapter


def test_a_wait_for_nothing_lasts_as_long_as_was_asked(quiet: SqlAdapter) -> None:
    assert 0.1 <= waited(quiet, 0.1) < LONG / 2


def test_no_time_is_no_wait(quiet: SqlAdapter) -> None:
    assert waited(quiet, 0) < LONG / 2


def test_it_ends_when_another_connection_writes(quiet: SqlAdapter, raw: sqlite3.Connection) -> None:
    raw.execute("INSERT INTO jobkit_paused VALUES ('any')")
    assert waited(quiet, LONG) < LONG / 2


def test_it_ends_when_another_thread_of_this_process_enqueues(quiet: SqlAdapter) -> None:
    writer = threading.Timer(0.05, enqueue, [quiet])
    writer.start()
    assert waited(quiet, LONG) < LONG / 2
    writer.join()
    assert len(claim(quiet, "worker")) == 1


def test_it_ends_when_another_process_enqueues(quiet: SqlAdapter, url: str) -> None:
    script = """
        import sys
        from tests.unit.sql.support import enqueue
        from jobkit_sql import SqlAdapter
        adapter = SqlAdapter(sys.argv[1])
        enqueue(adapter)
        adapter.close()
    """
    writer = threading.Thread(target=run, args=[script, url])
    writer.start()
    assert waited(quiet, LONG) < LONG / 2
    writer.join()


def test_what_is_stored_between_a_look_and_the_wait_is_not_missed(
    quiet: SqlAdapter, connect: Callable[[], SqlAdapter]
) -> None:
    assert claim(quiet, "worker") == []
    enqueue(connect())
    assert waited(quiet, LONG) < LONG / 2


def test_a_first_wait_ends_at_once_since_nothing_is_known_of_before(adapter: SqlAdapter) -> None:
    enqueue(adapter)
    assert waited(adapter, LONG) < LONG / 2


def test_what_one_thread_has_seen_is_still_news_to_another(quiet: SqlAdapter) -> None:
    enqueue(quiet)
    at_once([partial(quiet.wait, ["default"], LONG)])
    assert waited(quiet, LONG) < LONG / 2


def test_many_threads_may_wait_at_once(quiet: SqlAdapter) -> None:
    seen: list[float] = []

    def wait_twice() -> None:
        quiet.wait(["default"], 0)
        ready.wait()
        seen.append(waited(quiet, LONG))

    ready = threading.Barrier(4)
    threads = [threading.Thread(target=wait_twice) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    enqueue(quiet)
    for thread in threads:
        thread.join()
    assert max(seen) < LONG / 2


def test_it_goes_on_after_the_adapter_was_closed(quiet: SqlAdapter) -> None:
    quiet.close()
    assert waited(quiet, LONG) < LONG / 2  # what happened meanwhile is not known
    assert 0.05 <= waited(quiet, 0.05) < LONG / 2
    enqueue(quiet)
    assert waited(quiet, LONG) < LONG / 2


@pytest.mark.parametrize(
    ("cost", "seconds"), [(0.0, 0.005), (0.00002, 0.005), (0.0001, 0.022), (1.0, 0.03)]
)
def test_it_looks_less_often_where_looking_is_dear(cost: float, seconds: float) -> None:
    assert watch._pause(cost) == pytest.approx(seconds)
