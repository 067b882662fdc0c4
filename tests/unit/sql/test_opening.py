"""Connecting to a file that somebody else has for himself just now."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import patience
from tests.unit.sql.support import enqueue


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
