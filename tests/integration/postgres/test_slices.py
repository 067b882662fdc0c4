"""What is read and changed is what was asked for, whatever the planner thinks of the table.

Analyzed while it is empty, as a queue often is, a table has one row for the planner until somebody
analyzes it again, however many there are by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from jobkit.adapter import Retention
from jobkit_sql import SqlAdapter, locking, manage
from tests.integration.postgres.backlog import forget_all, never_analyzed
from tests.unit.sql.support import payload

ROWS = 300
LIMIT = 7

JOBS = """
INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class, payload)
SELECT n, n, 0, 0, 'id' || n, %s, 'a', 'Job', '{}' FROM generate_series(1, %s) AS n
"""
RESULTS = "INSERT INTO jobkit_results SELECT 'id' || n, '1', n FROM generate_series(1, %s) AS n"
LOCKS = "INSERT INTO jobkit_locks SELECT 'name' || n, 'id', n FROM generate_series(1, %s) AS n"

Keeping = Callable[[Retention], SqlAdapter]


@pytest.fixture
def keeping(url: str) -> Iterator[Keeping]:
    with ExitStack() as opened:
        yield lambda retention: opened.enter_context(closing(SqlAdapter(url, retention=retention)))


@pytest.fixture
def empty(adapter: SqlAdapter, other: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection to a store whose tables were analyzed when all in them had been deleted."""
    adapter.stats()
    with never_analyzed(other):
        forget_all(other)
        yield other


# The bug: the next slice was looked for once for each row that was met, and so all were taken. With
# 200,000 jobs waiting the server ended each upkeep after five seconds, and nothing was promoted.
@pytest.mark.parametrize("state", ["scheduled", "retry"])
def test_what_fell_due_is_promoted_in_slices(
    adapter: SqlAdapter, empty: psycopg.Connection, state: str
) -> None:
    empty.execute(JOBS, [state, ROWS])
    assert adapter.maintain(limit=LIMIT).promoted == LIMIT


@pytest.mark.parametrize(
    ("state", "retention"),
    [
        ("dead", Retention(dead_days=1)),
        ("completed", Retention(keep_finished=60)),
    ],
)
def test_what_was_kept_long_enough_is_trimmed_in_slices(
    keeping: Keeping, empty: psycopg.Connection, state: str, retention: Retention
) -> None:
    empty.execute(JOBS, [state, ROWS])
    assert keeping(retention).maintain(limit=LIMIT).trimmed == LIMIT


def test_results_are_forgotten_in_slices(adapter: SqlAdapter, empty: psycopg.Connection) -> None:
    empty.execute(RESULTS, [ROWS])
    adapter.maintain(limit=LIMIT)
    assert left(empty, "results") == ROWS - LIMIT


def test_a_queue_is_cleared_in_slices(
    adapter: SqlAdapter, empty: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.execute(JOBS, ["enqueued", ROWS])
    slices: list[int] = []
    clear_some = manage.Manage._clear_some

    def cleared(self: manage.Manage, parameters: dict[str, object]) -> int:
        slices.append(clear_some(self, parameters))
        return slices[-1]

    monkeypatch.setattr(manage, "_SLICE", LIMIT)
    monkeypatch.setattr(manage.Manage, "_clear_some", cleared)
    assert adapter.clear("a") == ROWS
    assert max(slices) == LIMIT


def test_locks_that_ended_are_removed_in_slices(
    adapter: SqlAdapter, empty: psycopg.Connection
) -> None:
    empty.execute(LOCKS, [ROWS])
    adapter.enqueue_unique([payload(unique=lock("mine", "time"))])
    assert left(empty, "locks") == ROWS - locking._CLEARED + 1


def left(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM jobkit_{table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def lock(key: str, until: str) -> dict[str, Any]:
    return {"key": key, "until": until, "for": 60.0, "on_conflict": "skip"}
