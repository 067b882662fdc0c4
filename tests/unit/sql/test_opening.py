"""Connecting to a file that somebody else has for himself just now."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import patience
from jobkit_sql.dialects.sqlite.turns import turn_of
from tests.unit.sql.support import ROOT, enqueue, payload


@contextmanager
def taken(url: str, release: threading.Event) -> Generator[None]:
    """The file as while it is recovered after a crash, or closed by its last user."""
    has_it = threading.Event()

    def take() -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            has_it.set()
            release.wait(40)

    thread = threading.Thread(target=take)
    thread.start()
    assert has_it.wait(40)
    yield
    release.set()
    thread.join()


def test_a_writer_that_connects_meanwhile_waits(url: str) -> None:
    """The bug: it failed at once, in one of some hundred forks of a busy program."""
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
    release = threading.Event()
    with taken(url, release), closing(SqlAdapter(url)) as adapter:
        threading.Timer(0.2, release.set).start()
        with adapter._store._here().database.writing():
            assert release.is_set()


def test_it_does_not_wait_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
    monkeypatch.setattr(patience, "BUSY_TIMEOUT", 0.05)
    release = threading.Event()
    with taken(url, release), closing(SqlAdapter(url)) as adapter:
        database = adapter._store._here().database
        with (
            pytest.raises(AdapterError, match="is locked"),
            adapter._store.explained(),
            database.writing(),
        ):
            pytest.fail("nobody may write now")


def test_a_process_that_stands_still_does_not_wait_meanwhile(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bug: a lock that somebody had who stood still with it was given up on at once."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    clock = Clock(lambda: other.execute("COMMIT"))
    with closing(SqlAdapter(url)) as adapter, closing(other):
        adapter.migrate()
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(patience, "time", clock)
        enqueue(adapter)
    assert clock.slept == 3


@dataclass
class Clock:
    """The module `time`, for one who is stopped in each of three pauses."""

    at_last: Callable[[], object]
    slept: int = 0

    def monotonic(self) -> float:
        return 60.0 * self.slept

    def sleep(self, _: float) -> None:
        self.slept += 1
        if self.slept == 3:
            self.at_last()


def test_nor_for_its_turn_among_threads(url: str) -> None:
    """The same, with a stop that is one."""
    script = """
        import os, signal, sys, threading
        from jobkit_sql import SqlAdapter
        from jobkit_sql.dialects.sqlite import turns
        from tests.unit.sql.support import ROOT, enqueue, payload

        turns.BUSY_TIMEOUT = 1.0
        adapter = SqlAdapter(sys.argv[1])
        enqueue(adapter)
        turn = adapter._store._here().database._turn

        class Lock:
            def __init__(self, lock):
                self._lock, self.asked = lock, threading.Semaphore(0)
                self.release = lock.release

            def acquire(self, timeout):
                self.asked.release()
                return self._lock.acquire(timeout=timeout)

        turn._lock = lock = Lock(turn._lock)
        failures = []

        def wait():
            try:
                enqueue(adapter)
            except Exception as error:
                failures.append(error)
            lock.asked.release()

        turn.take()
        lock.asked.acquire()
        thread = threading.Thread(target=wait)
        thread.start()
        lock.asked.acquire()
        os.kill(os.getpid(), signal.SIGSTOP)
        lock.asked.acquire()
        turn.end()
        thread.join()
        assert failures == [], failures
    """
    program = [sys.executable, "-c", textwrap.dedent(script), url]
    with subprocess.Popen(program, cwd=ROOT) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        time.sleep(1.2)  # more than it waits
        process.send_signal(signal.SIGCONT)
        assert process.wait(40) == 0
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().enqueued == 2


@pytest.mark.parametrize("before", [1, 2, 5])
def test_a_file_that_is_deleted_is_noticed_by_the_next_job(url: str, before: int) -> None:
    """The bug: after one job alone nobody knew yet which file it was."""
    with closing(SqlAdapter(url)) as adapter:
        for _ in range(before):
            enqueue(adapter)
        delete(url)
        enqueue(adapter)
        assert stored(url) == 1


def delete(url: str) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def stored(url: str) -> int:
    """The jobs that somebody else finds there."""
    with closing(SqlAdapter(url)) as another:
        return another.stats().enqueued


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_is_deleted_while_one_waits_for_his_turn_is_noticed(
    url: str, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bug: it was looked at before, and what was enqueued lay where nobody reads."""
    waits, failures = threading.Event(), []
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
        turn = turn_of(Path(url.removeprefix("sqlite:///")))
        take = turn.take

        def taking() -> None:
            waits.set()
            take()

        monkeypatch.setattr(turn, "take", taking)

        def late() -> None:
            try:
                adapter.enqueue([payload() for _ in range(jobs)])
            except AdapterError as error:
                failures.append(error)

        thread = threading.Thread(target=late)
        take()
        thread.start()
        assert waits.wait(40)
        delete(url)
        turn.end()
        thread.join()
    assert failures == []
    assert stored(url) == jobs


def test_nobody_writes_to_the_old_file_while_the_new_one_is_opened(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bug: it was known to be another one before what was open was closed."""
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
        database = adapter._store._here().database
        threads, close = [], database.close

        def closing_slowly() -> None:
            thread = threading.Thread(target=partial(enqueue, adapter))
            threads.append(thread)
            thread.start()
            thread.join(0.3)
            close()

        delete(url)
        monkeypatch.setattr(database, "close", closing_slowly)
        enqueue(adapter)
        monkeypatch.undo()
        for thread in threads:
            thread.join()
        assert len(threads) == 1
    assert stored(url) == 2


def test_a_file_that_is_made_anew_while_nothing_is_open_is_looked_at(url: str) -> None:
    """The bug: a fork closes all, and the number of the old file may be the new one's."""
    file = Path(url.removeprefix("sqlite:///"))
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
        adapter.close()
        with file.open("r+b") as content:  # the same to the system
            content.truncate()
        enqueue(adapter)
        assert adapter.stats().enqueued == 1
