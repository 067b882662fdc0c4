"""A claim touches only what it takes, whatever else the table holds: asked of the planner."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql.session import Session, array, statement_of
from tests.integration.postgres.reading import nodes
from tests.soak import SOAK
from tests.unit.sql.support import payload

OTHERS = 1_000_000 if SOAK else 100_000
"""Rows each: of the future, finished, dead, and of another queue."""

REMOVED = 10_000 if SOAK else 0
"""Rows that a claim has taken, and that nobody has vacuumed away."""

READY = 500
LIMIT = 10

FILL = """
INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class, payload)
SELECT 1e9 + n, 1e9 + n, 0, 0, {state} || {queue} || n, {state}, {queue}, 'Job', '{{}}'
FROM generate_series(1, %s) AS n
"""


@pytest.fixture(params=["analyzed", "never analyzed"])
def filled(
    request: pytest.FixtureRequest, adapter: SqlAdapter, worker: str, other: psycopg.Connection
) -> SqlAdapter:
    del worker
    other.execute("ALTER TABLE jobkit_jobs SET (autovacuum_enabled = off)")
    for state, queue in [
        ("scheduled", "a"),
        ("retry", "a"),
        ("completed", "a"),
        ("dead", "a"),
        ("enqueued", "elsewhere"),
    ]:
        quoted = {"state": f"'{state}'", "queue": f"'{queue}'"}
        other.execute(FILL.format(**quoted).encode(), [OTHERS])
    other.execute(FILL.format(state="'enqueued'", queue="'a'").encode(), [REMOVED])
    other.execute("DELETE FROM jobkit_jobs WHERE state = 'enqueued' AND queue = 'a'")
    adapter.enqueue([payload(queue=queue) for queue in ("a", "b") for _ in range(READY)])
    if request.param == "analyzed":
        other.execute("ANALYZE jobkit_jobs")
    explained(adapter, ["a"])  # the first one walks over what was removed, and marks it
    return adapter


def explained(adapter: SqlAdapter, queues: list[str], most: int = LIMIT) -> dict[str, Any]:
    """How the server claims, and what that touched."""
    database: Any = adapter._store._here().database
    plan = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {database._claim.text.decode()}"
    given = ("worker", array(queues), most, 1.0, "t")

    def undone(session: Session) -> list[tuple[str | None, ...]]:
        session.execute(statement_of("BEGIN"), ())
        found = session.rows(statement_of(plan), given)
        session.execute(statement_of("ROLLBACK"), ())
        return found

    found = database._hand.do(undone)
    root: dict[str, Any] = json.loads("\n".join(line or "" for (line,) in found))[0]["Plan"]
    return root


def reading_jobs(plan: dict[str, Any]) -> list[dict[str, Any]]:
    of_jobs = [each for each in nodes(plan) if each.get("Relation Name") == "jobkit_jobs"]
    return [each for each in of_jobs if each["Node Type"] != "ModifyTable"]


@pytest.mark.parametrize(
    "queues", [["a", "b"], ["empty", "b", "a"], ["elsewhere"], [f"q{n}" for n in range(50)]]
)
def test_a_claim_walks_the_index_of_its_queues_and_stops(
    filled: SqlAdapter, queues: list[str]
) -> None:
    plan = explained(filled, queues)
    read = reading_jobs(plan)
    assert read
    for node in read:
        assert node["Node Type"] in ("Index Scan", "Index Only Scan", "Tid Scan"), node
    walked = [node for node in read if node.get("Index Name") == "jobkit_jobs_enqueued"]
    assert walked, "the index of the enqueued is not used"
    for node in walked:
        assert "queue" in node["Index Cond"]
        assert node["Actual Rows"] * node["Actual Loops"] <= LIMIT + 1
        assert node.get("Rows Removed by Filter", 0) == 0
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 60 * LIMIT
    assert not [node for node in nodes(plan) if node.get("Rows Removed by Join Filter", 0) > LIMIT]


def test_a_flood_is_taken_in_its_order_before_anybody_has_analyzed_it(
    adapter: SqlAdapter, worker: str, other: psycopg.Connection
) -> None:
    """The bug: thought to be two rows, all that waited were gathered and sorted by each claim."""
    del worker
    other.execute("ALTER TABLE jobkit_jobs SET (autovacuum_enabled = off)")
    flood = FILL.format(state="'enqueued'", queue="'a'").replace("'{}'", "repeat('x', 500)")
    other.execute(flood.encode(), [50_000])
    for most in (LIMIT, 200):
        plan = nodes(explained(adapter, ["a"], most))
        walked = [node for node in plan if node.get("Index Name") == "jobkit_jobs_enqueued"]
        sorting = [node for node in plan if node["Node Type"] == "Sort"]
        assert walked
        assert all(node["Actual Rows"] <= most for node in walked + sorting)
