"""Tables with a prefix of one's own: `?prefix=` in the URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from jobkit.errors import ConfigurationError
from jobkit_sql import SqlAdapter
from jobkit_sql.naming import Naming
from tests.unit.sql.support import claim, enqueue, payload, register


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[str], SqlAdapter]]:
    """Makes adapters on the one file, each with a prefix."""
    with ExitStack() as stack:
        yield lambda prefix: stack.enter_context(closing(SqlAdapter(f"{url}?prefix={prefix}")))


def names(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
    return {name for (name,) in found}


def test_every_table_and_index_begins_with_the_prefix(
    opened: Callable[[str], SqlAdapter], file: Path
) -> None:
    enqueue(opened("shop_"))
    assert "shop_jobs_enqueued" in names(file)
    assert all(name.startswith("shop_") for name in names(file))


@pytest.mark.parametrize("second", ["jobkit_", "jobkit_b_", "shop_", "b"])
def test_applications_share_a_database_and_meet_in_nothing(
    opened: Callable[[str], SqlAdapter], second: str
) -> None:
    one, other = opened("a_"), opened(second)
    mine, yours = enqueue(one), enqueue(other)
    for adapter, job in ((one, mine), (other, yours)):
        register(adapter, "worker")
        assert [each.payload.id for each in claim(adapter, "worker")] == [job.id]
        assert (adapter.check(), adapter.migrate()) == ([], [])


def test_the_printed_sql_makes_the_same_tables(
    opened: Callable[[str], SqlAdapter], file: Path
) -> None:
    adapter = opened("jobkit_b_")
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(adapter.migrations_sql())
    assert adapter.migrate() == []
    enqueue(adapter)
    assert all(name.startswith("jobkit_b_") for name in names(file))


def test_on_a_connection_of_the_applications_its_own_statements_stay_as_they_are(
    opened: Callable[[str], SqlAdapter], url: str
) -> None:
    adapter = opened("shop_")
    engine = create_engine(url)
    with engine.begin() as connection:
        adapter.enqueue_through(connection, [payload()])
        connection.execute(text("CREATE TABLE jobkit_jobs (mine)"))
        connection.execute(text("INSERT INTO jobkit_jobs VALUES (1)"))
        adapter.enqueue_through(connection, [payload()])
        assert connection.scalar(text("SELECT count(*) FROM jobkit_jobs")) == 1
    engine.dispose()
    assert adapter.stats().enqueued == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("prefix=a;b", "prefix='a;b' is no beginning of a table's name: use small letters, digits"),
        ("prefix=Shop_", "is no beginning"),
        ("prefix=" + "x" * 33, "at most 32"),
        ("prefix=a_&prefix=b_", "the URL has prefix more than once"),
        ("prefix=jobkit_jobs_", "prefix='jobkit_jobs_' is the name of a table of jobkit's"),
        ("prefix=a_&schema=jobkit_jobs", "schema='jobkit_jobs' is the name of a table"),
    ],
)
def test_a_prefix_that_cannot_be_used_is_refused(query: str, said: str) -> None:
    where = "postgresql://u:hunter2@h/db" if "schema" in query else "sqlite:///never.db"
    with pytest.raises(ConfigurationError) as refusal:
        SqlAdapter(f"{where}?{query}")
    assert said in str(refusal.value)


def test_only_names_of_tables_and_their_indexes_are_changed() -> None:
    naming = Naming("shop_")
    assert (
        naming('SELECT 1 FROM "jobkit_app".jobkit_jobs') == 'SELECT 1 FROM "jobkit_app".shop_jobs'
    )
    assert naming("DROP INDEX jobkit_jobs_dead") == "DROP INDEX shop_jobs_dead"
    assert (
        naming("SELECT my_jobkit_jobs, jobkit_jobsite") == "SELECT my_jobkit_jobs, jobkit_jobsite"
    )
