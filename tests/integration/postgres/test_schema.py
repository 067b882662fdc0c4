"""The schema on a server: made when told to, at any moment, by several, beside its workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, inspect

from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from jobkit_sql.tables import metadata
from tests.servers.postgres import Postgres
from tests.unit.sql.support import at_once, claim, enqueue, register

ALL = [
    "0001_initial",
    "0002_recurring",
    "0003_unique",
    "0004_limits",
    "0005_measures",
    "0006_batches",
    "0007_results",
]
_names = count()


def name_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    name = f"empty_{next(_names)}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture
def empty(database: str) -> Iterator[SqlAdapter]:
    with closing(SqlAdapter(database)) as adapter:
        yield adapter


def test_nothing_is_made_unasked_and_the_error_names_the_command(empty: SqlAdapter) -> None:
    said = f"the database has jobkit schema 0, {len(ALL)} is needed: run `jobkit db migrate`"
    with pytest.raises(AdapterError) as missing:
        enqueue(empty)
    assert str(missing.value) == said
    assert empty.check() == [said]
    assert (empty.schema_version(), empty.pending()) == (0, [])
    assert empty.migrate() == ALL
    assert (empty.schema_version(), empty.check(), empty.migrate()) == (len(ALL), [], [])
    enqueue(empty)


@pytest.mark.parametrize("query", ["", "?schema=jobs"])
def test_processes_that_migrate_at_once_do_it_once(database: str, query: str) -> None:
    adapters = [SqlAdapter(database + query) for _ in range(6)]
    applied = at_once(adapter.migrate for adapter in adapters)
    assert sorted(applied) == [[]] * 5 + [ALL]
    enqueue(adapters[0])
    assert adapters[1].stats().enqueued == 1
    for adapter in adapters:
        adapter.close()


def test_a_schema_of_its_own_leaves_the_usual_one_alone(database: str, postgres: Postgres) -> None:
    with closing(SqlAdapter(f"{database}?schema=jobs")) as adapter:
        adapter.migrate()
        enqueue(adapter)
    with postgres.connect(name_of(database)) as connection:
        found = connection.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'jobkit%'"
        )
        assert found.fetchall() == [("jobs",)]


def test_a_worker_of_an_older_schema_goes_on_while_another_process_migrates(
    database: str, postgres: Postgres
) -> None:
    """What a release before had: the first migration, frozen."""
    frozen = Path(__file__).with_name("schema_1.sql").read_text()
    name = name_of(database)
    with postgres.connect(name) as connection:
        connection.execute(frozen.encode())
        connection.execute(
            "INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class,"
            " payload) VALUES (1, 1, 0, 0, 'old', 'enqueued', 'default', 'Job',"
            """ '{"class": "Job", "args": [], "jid": "old", "queue": "default"}')"""
        )
    with closing(SqlAdapter(database)) as adapter:
        with pytest.raises(
            AdapterError, match=f"has jobkit schema 1, {len(ALL)} is needed: run `jobkit db"
        ):
            adapter.stats()
        with postgres.connect(name) as old, old.transaction():
            old.execute("SELECT max(version) FROM jobkit_schema")
            old.execute("UPDATE jobkit_jobs SET at = 2 WHERE id = 'old'")
            assert adapter.migrate() == ALL[1:]  # waits for nobody who works
        register(adapter, "worker")
        assert [each.payload.id for each in claim(adapter, "worker")] == ["old"]


def test_a_schema_from_the_future_is_refused(
    empty: SqlAdapter, database: str, postgres: Postgres
) -> None:
    empty.migrate()
    with postgres.connect(name_of(database)) as later:
        later.execute("INSERT INTO jobkit_schema (version, name) VALUES (99, '0099_later')")
    assert empty.check() == [
        f"the database has jobkit schema 99, this jobkit knows {len(ALL)}: upgrade jobkit"
    ]


def test_the_tables_are_those_the_statements_are_written_for(
    empty: SqlAdapter, database: str
) -> None:
    empty.migrate()
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    made = inspect(engine)
    assert {*made.get_table_names()} == {*metadata.tables}
    for table in metadata.sorted_tables:
        columns = {each["name"]: each for each in made.get_columns(table.name)}
        assert {*columns} == {each.name for each in table.columns}, table.name
        for each in table.columns:
            assert columns[each.name]["nullable"] == each.nullable, each
        key = made.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [each.name for each in table.primary_key], table.name
    engine.dispose()


def test_the_printed_sql_makes_the_same_database(
    empty: SqlAdapter, database: str, postgres: Postgres
) -> None:
    with postgres.connect(name_of(database)) as psql:
        psql.execute(empty.migrations_sql().encode())
    assert (empty.check(), empty.migrate()) == ([], [])


def test_dead_rows_of_the_jobs_are_cleared_early(empty: SqlAdapter, database: str) -> None:
    empty.migrate()
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT relname, reloptions FROM pg_class WHERE relname LIKE 'jobkit%'"
        ).fetchall()
    options = {name: set(settings or ()) for name, settings in found}
    assert {"autovacuum_vacuum_scale_factor=0.02", "autovacuum_vacuum_cost_delay=0"} <= options[
        "jobkit_jobs"
    ]
    assert "fillfactor=50" in options["jobkit_workers"]


def jobkit(folder: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobkit", *words, "--url", url],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands(database: str, tmp_path: Path) -> None:
    run = partial(jobkit, tmp_path, database)
    checked = run("db", "check")
    assert (checked.returncode, checked.stderr) == (1, "")
    assert "run `jobkit db migrate`" in checked.stdout
    assert "CREATE TABLE jobkit_jobs" in run("db", "sql").stdout
    assert run("db", "migrate").stdout.splitlines() == [f"applied {name}" for name in ALL]
    assert run("db", "migrate").stdout == "the schema is up to date\n"
    assert run("db", "check").stdout == "everything is fine\n"
