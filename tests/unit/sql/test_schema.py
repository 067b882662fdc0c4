from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url

from jobkit.errors import AdapterError
from jobkit.testing.contract.competitors import separately
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import Sqlite
from jobkit_sql.store import Store
from jobkit_sql.tables import metadata
from tests.unit.sql.support import at_once, enqueue, peek

ALL = [
    "0001_initial",
    "0002_recurring",
    "0003_unique",
    "0004_limits",
    "0005_measures",
    "0006_batches",
    "0007_results",
]


def start(url: str) -> list[str]:
    """What a process does first, here at the same moment as others."""
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
        return adapter.migrate()


def test_the_file_is_made_and_migrated_at_first_use(adapter: SqlAdapter, file: Path) -> None:
    assert not file.exists()
    assert adapter.stats().enqueued == 0
    assert adapter.schema_version() == len(ALL)


def test_a_database_without_tables_has_version_0(adapter: SqlAdapter) -> None:
    assert adapter.schema_version() == 0


def test_migrate_names_what_it_applied_once(adapter: SqlAdapter) -> None:
    assert adapter.migrate() == ALL
    assert adapter.migrate() == []


def test_the_printed_sql_makes_the_same_database(adapter: SqlAdapter, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(adapter.migrations_sql())
    assert adapter.migrate() == []
    job = enqueue(adapter)
    assert peek(adapter) == [job.id]


def test_processes_that_start_at_once_on_a_fresh_file_migrate_it_once(url: str) -> None:
    with ProcessPoolExecutor(4, mp_context=separately(partial(SqlAdapter, url))) as pool:
        list(pool.map(start, [url] * 8))
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().enqueued == 8
        assert adapter.schema_version() == len(ALL)


def test_adapters_of_one_process_that_start_at_once_do_too(
    connect: Callable[[], SqlAdapter],
) -> None:
    adapters = [connect() for _ in range(8)]
    at_once(partial(enqueue, adapter) for adapter in adapters)
    assert adapters[0].stats().enqueued == 8


def test_a_first_use_waits_for_others_that_write(file: Path, url: str) -> None:
    """SQLite's busy time-out does not hold for the change to a write-ahead log."""
    with (
        closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other,
        closing(SqlAdapter(url)) as adapter,
    ):
        other.execute("CREATE TABLE mine (a)")
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.1, other.execute, ["ROLLBACK"])
        end.start()
        enqueue(adapter)
        end.join()
        assert adapter.stats().enqueued == 1


def test_a_schema_from_the_future_is_refused(
    raw: sqlite3.Connection, connect: Callable[[], SqlAdapter]
) -> None:
    raw.execute("INSERT INTO jobkit_schema (version, name) VALUES (99, '0099_later')")
    late = connect()
    with pytest.raises(AdapterError, match=f"has jobkit schema 99, this jobkit knows {len(ALL)}"):
        late.stats()
    with pytest.raises(AdapterError, match="schema 99"):
        late.migrate()
    assert late.check() == [
        f"the database has jobkit schema 99, this jobkit knows {len(ALL)}: upgrade jobkit"
    ]
    assert late.schema_version() == 99


class OnAServer(Sqlite):
    """As a database is that the application shares with others."""

    embedded = False


def test_a_server_is_migrated_only_when_told(url: str) -> None:
    store = Store(OnAServer(make_url(url)))
    with pytest.raises(AdapterError, match="run `jobkit db migrate`"), store.reading():
        pass
    assert store.migrate() == ALL
    with store.reading() as connection:
        assert store.schema.version(connection) == len(ALL)
    store.close()


def test_the_tables_are_those_the_statements_are_written_for(
    raw: sqlite3.Connection, url: str
) -> None:
    del raw
    engine = create_engine(url)
    made = inspect(engine)
    for table in metadata.sorted_tables:
        columns = {each["name"]: each for each in made.get_columns(table.name)}
        assert list(columns) == [each.name for each in table.columns], table.name
        for each in table.columns:
            if not each.primary_key:
                assert columns[each.name]["nullable"] == each.nullable, each
        key = made.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [each.name for each in table.primary_key], table.name
    assert {*made.get_table_names()} == {*metadata.tables}
    engine.dispose()


def test_a_good_database_has_no_problems(adapter: SqlAdapter) -> None:
    assert adapter.check() == []


def test_the_log_is_written_ahead(raw: sqlite3.Connection) -> None:
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_pages_are_small_in_a_file_that_is_made(raw: sqlite3.Connection) -> None:
    """A commit writes each page that it touched: with the usual ones a job costs a tenth more."""
    assert raw.execute("PRAGMA page_size").fetchone() == (2_048,)


def test_pages_of_a_file_that_was_there_stay_as_they_are(file: Path, url: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA page_size=8192; CREATE TABLE mine (a)")
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (8_192,)
        connection.execute("VACUUM")
        assert connection.execute("PRAGMA page_size").fetchone() == (8_192,)


def test_a_database_of_the_application_is_shared_and_left_alone(file: Path, url: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)")
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT a FROM mine").fetchall() == [(1,)]
