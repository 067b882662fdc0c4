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
from pathlib import Path

import pytest

from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import patience
from tests.unit.sql.support import ROOT, enqueue


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
        from tests.unit.sql.support import ROOT, enqueue

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
    file = Path(url.removeprefix("sqlite:///"))
    with closing(SqlAdapter(url)) as adapter:
        for _ in range(before):
            enqueue(adapter)
        for each in file.parent.glob(f"{file.name}*"):
            each.unlink()
        enqueue(adapter)
        assert file.exists()
    with closing(SqlAdapter(url)) as another:
        assert another.stats().enqueued == 1
