"""What only SQLite does: files made on the way, one writer at a time."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.orm import Session

from jobkit import EnqueueError, Job, backends, enqueue_in
from jobkit.clock import SYSTEM
from jobkit.transactions import Settled
from jobkit.worker.performing import Performer
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import patience, turns
from tests.integration.transactions.support import Database, Here, add, noted, stored


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[tuple[SqlAdapter, Engine]]:
    """A file that nobody has written to, and both ways to it."""
    url = f"sqlite:///{tmp_path / 'fresh.db'}"
    engine = create_engine(url)
    with closing(SqlAdapter(url)) as adapter:
        backends.install("default", adapter)
        yield adapter, engine
        backends.uninstall("default")
    engine.dispose()


def begins_itself(engine: Engine) -> None:
    """The recipe of SQLAlchemy's documentation: savepoints and DDL become transactional."""
    event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))


@pytest.mark.parametrize("recipe", [False, True])
def test_a_missing_schema_is_made_on_the_callers_connection(
    fresh: tuple[SqlAdapter, Engine], recipe: bool
) -> None:
    adapter, engine = fresh
    if recipe:
        begins_itself(engine)
    with Session(engine) as session, enqueue_in(session):
        Here.perform_later(1)
        session.commit()
    assert stored(adapter) == [1]


@pytest.mark.parametrize("recipe", [False, True])
def test_a_schema_that_was_rolled_back_is_made_again(
    fresh: tuple[SqlAdapter, Engine], recipe: bool
) -> None:
    adapter, engine = fresh
    if recipe:
        begins_itself(engine)
    with Session(engine) as session, enqueue_in(session):
        Here.perform_later(1)
        Here.perform_later(2)
        session.rollback()
        assert inspect(engine).has_table("jobkit_jobs") is not recipe
        with session.begin_nested() as savepoint:
            Here.perform_later(3)
            savepoint.rollback()
        Here.perform_later(4)
        session.commit()
    assert stored(adapter) == [4]


def test_a_newer_schema_is_refused(fresh: tuple[SqlAdapter, Engine]) -> None:
    adapter, engine = fresh
    adapter.migrate()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO jobkit_schema (version, name) VALUES (99, 'later')"))
    with (
        Session(engine) as session,
        enqueue_in(session),
        pytest.raises(EnqueueError, match="upgrade jobkit"),
    ):
        Here.perform_later(1)


def test_the_same_file_by_another_name_is_the_same_database(sqlite: Database) -> None:
    file = Path(str(sqlite.engine.url.database))
    link = file.with_name("link.db")
    link.symlink_to(file)
    engine = create_engine(f"sqlite:///{link}")
    with Session(engine) as session, enqueue_in(session):
        assert Here.perform_later(1).successfully_enqueued is True
        session.rollback()
    engine.dispose()
    assert stored(sqlite.adapter) == []


def test_a_database_in_memory_is_another_one(sqlite: Database) -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session, enqueue_in(session):
        assert Here.perform_later(1).successfully_enqueued is None
        session.commit()
    engine.dispose()
    assert stored(sqlite.adapter) == [1]


def test_which_database_it_is_is_asked_once_an_engine(sqlite: Database) -> None:
    asked: list[str] = []
    event.listen(sqlite.engine, "before_cursor_execute", lambda c, d, sql, *_: asked.append(sql))
    for _ in range(3):
        with Session(sqlite.engine) as session, enqueue_in(session):
            Here.perform_later(1)
            session.commit()
    assert sum("database_list" in sql for sql in asked) == 1
    assert sum("jobkit_schema" in sql for sql in asked) == 2
    assert sum("INSERT" in sql for sql in asked) == len(asked) - 3 == 3


def test_a_snapshot_that_is_too_old_is_an_enqueue_error(sqlite: Database) -> None:
    begins_itself(sqlite.engine)
    with Session(sqlite.engine) as session, enqueue_in(session):
        session.execute(text("SELECT * FROM users"))
        sqlite.adapter.pause("by somebody else")
        with pytest.raises(EnqueueError, match=r"enqueue_in.*roll it back and try again"):
            Here.perform_later(1)
        session.rollback()
        Here.perform_later(2)
        session.commit()
    assert stored(sqlite.adapter) == [2]


def test_a_lock_that_the_caller_holds_itself_names_the_remedy(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr(turns, "BUSY_TIMEOUT", 0.05)
    with sqlite.engine.begin() as connection:
        add(connection, "x")
        with pytest.raises(EnqueueError, match=r"with jobkit\.enqueue_in"):
            Here.perform_later(1)
        with enqueue_in(connection):
            Here.perform_later(2)
    assert (noted(sqlite), stored(sqlite.adapter)) == (["x"], [2])


def test_nobody_takes_the_job_between_the_look_at_its_receipt_and_the_change(
    sqlite: Database,
) -> None:
    """The driver begins no transaction for a SELECT: the receipt must be read under the lock."""

    class Quiet(Job):
        def perform(self) -> None:
            with Session(sqlite.engine) as session, session.begin(), self.complete_in(session):
                pass  # no statement of its own

    errors: list[str] = []

    def steal(*call: Any) -> None:
        if call[2].startswith("DELETE FROM jobkit_jobs"):
            file = str(sqlite.engine.url.database)
            with closing(sqlite3.connect(file, timeout=0)) as thief:
                try:
                    thief.execute("UPDATE jobkit_jobs SET receipt = 'stolen'")
                except sqlite3.OperationalError as error:
                    errors.append(str(error))

    Quiet.perform_later()
    sqlite.adapter.beat("worker", lease=30, claims=[], register=True)
    [claim] = sqlite.adapter.claim(["default"], limit=1, worker="worker")
    event.listen(sqlite.engine, "before_cursor_execute", steal)
    performed = Performer(sqlite.adapter, SYSTEM, asyncio.run).perform(claim)
    assert isinstance(performed, Settled)
    assert errors == ["database is locked"]
