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

from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, Retention, State
from jobkit.batching import Event, NewBatch
from jobkit.payload import new_id
from jobkit.results import Result
from jobkit_sql import SqlAdapter, locking, manage
from tests.integration.postgres.test_plans import nodes
from tests.unit.sql.support import claim, payload, register, statements

ROWS = 300
LIMIT = 7
TABLES = ("jobs", "locks", "results", "limits", "places", "blocked", "batches", "members")

JOBS = """
INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class, payload)
SELECT n, n, 0, 0, 'id' || n, %s, 'a', 'Job', '{}' FROM generate_series(1, %s) AS n
"""
RESULTS = "INSERT INTO jobkit_results SELECT 'id' || n, '1', n FROM generate_series(1, %s) AS n"
LOCKS = "INSERT INTO jobkit_locks SELECT 'name' || n, 'id', n FROM generate_series(1, %s) AS n"

WIDE = {"jobkit_jobs_pkey", "jobkit_jobs_id_key", "jobkit_jobs_enqueued"}

Keeping = Callable[[Retention], SqlAdapter]


@pytest.fixture
def keeping(url: str) -> Iterator[Keeping]:
    with ExitStack() as opened:
        yield lambda retention: opened.enter_context(closing(SqlAdapter(url, retention=retention)))


@pytest.fixture
def empty(adapter: SqlAdapter, other: psycopg.Connection) -> psycopg.Connection:
    """A connection to a store whose tables were analyzed when all in them had been deleted."""
    adapter.stats()
    other.execute(JOBS, ["dead", LIMIT])
    other.execute(RESULTS, [LIMIT])
    other.execute(LOCKS, [LIMIT])
    forget_all(other)
    return other


def forget_all(connection: psycopg.Connection) -> None:
    """Delete what is there, and have that analyzed, for good."""
    for table in TABLES:
        connection.execute(f"ALTER TABLE jobkit_{table} SET (autovacuum_enabled = off)".encode())
        connection.execute(f"DELETE FROM jobkit_{table}".encode())
        connection.execute(f"ANALYZE jobkit_{table}".encode())


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
        ("dead", Retention(dead_max=1, dead_days=1e5)),
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


@pytest.mark.parametrize("keep", [0, 60])
def test_no_statement_walks_over_all_jobs(
    keeping: Keeping, empty: psycopg.Connection, keep: int
) -> None:
    """The bug: so did settlements, upkeep, and clearing, 60 to 700 ms beside 200,000 jobs."""
    adapter = keeping(Retention(keep_finished=keep))
    live(adapter)
    forget_all(empty)
    empty.execute(JOBS, ["enqueued", 20 * ROWS])
    with statements(adapter) as seen:
        live(adapter)
    empty.execute("SET enable_seqscan = off")
    empty.execute("SET enable_bitmapscan = off")
    walks = {sql: walked(empty, sql, given) for _, sql, given in seen if isinstance(given, dict)}
    assert len(walks) > 40
    assert [sql for sql, found in walks.items() if found] == []


def live(adapter: SqlAdapter) -> None:
    """Jobs of all kinds come to all ends, beside others that wait."""
    worker = register(adapter, "worker")
    batch = NewBatch(new_id(), callbacks={Event.FINISH: payload(queue="callbacks")})
    members = [payload(bid=batch.id) for _ in range(5)]
    adapter.enqueue([payload(limits=[{"key": "k", "to": 2}]) for _ in range(5)])
    adapter.enqueue_batch(batch.id, members, opens=batch, closes=True)
    adapter.enqueue_unique([payload(unique=lock(new_id(), "executed")) for _ in range(5)])
    while held := claim(adapter, worker, limit=15):
        adapter.settle([end(nth, each) for nth, each in enumerate(held)])
    adapter.enqueue_unique([payload(unique=lock(new_id(), "executed"))])
    adapter.find([each.payload.id for each in claim(adapter, worker)])
    adapter.maintain(limit=LIMIT)
    adapter.retire(worker)
    adapter.clear("default")


def end(nth: int, claim: Claim) -> Ack | Bury | Release | Requeue:
    first = claim.deliveries == 1
    if first and nth % 5 == 1:
        return Release(claim)
    if first and nth % 5 == 2:
        return Requeue(claim, claim.payload, State.ENQUEUED)
    if nth % 5 == 3:
        return Bury(claim, claim.payload)
    return Ack(claim, result=Result("1", 60.0) if nth % 5 == 4 else None)


def walked(connection: psycopg.Connection, sql: str, given: dict[str, Any]) -> bool:
    """Whether the planner would read an index of all jobs, or all that wait, from end to end."""
    found = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode(), given).fetchone()
    assert found is not None
    return any(
        node.get("Index Name") in WIDE and "Index Cond" not in node
        for node in nodes(found[0][0]["Plan"])
    )


def lock(key: str, until: str) -> dict[str, Any]:
    return {"key": key, "until": until, "for": 60.0, "on_conflict": "skip"}
