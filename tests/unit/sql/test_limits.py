"""Limits on SQLite: what they cost those who have none, and what a backlog costs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, Settlement, State
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import claim, ids, payload, register, statements

ONE = [{"key": "k", "to": 1}]
RATE = [{"key": "k", "to": 1, "per": 60.0}]


def executed(adapter: SqlAdapter, act: Callable[[], object]) -> list[str]:
    with statements(adapter) as seen:
        act()
    return [sql for _, sql, _ in seen]


def test_jobs_under_no_limit_cost_the_commands_they_always_did(
    adapter: SqlAdapter, worker: str
) -> None:
    jobs = [payload() for _ in range(4)]
    claims: list[Claim] = []
    assert len(executed(adapter, lambda: adapter.enqueue(jobs))) == 2
    asked = executed(adapter, lambda: claims.extend(claim(adapter, worker)))
    a, b, c, d = claims
    ends: list[Settlement] = [
        Ack(a),
        Release(b),
        Bury(c, c.payload),
        Requeue(d, d.payload, State.ENQUEUED),
    ]
    settled = executed(adapter, lambda: adapter.settle(ends))
    kept = executed(adapter, lambda: adapter.maintain(limit=10))
    left = executed(adapter, lambda: adapter.retire(worker))
    assert (len(asked), len(settled), len(kept), len(left)) == (6, 8, 3, 3)
    for table in ("jobkit_limits", "jobkit_places", "jobkit_blocked"):
        assert not [sql for sql in [*asked, *settled, *left] if table in sql]


@pytest.mark.behaviour("H6")
def test_releasing_many_at_once_frees_no_more_places_than_they_had(
    adapter: SqlAdapter, worker: str
) -> None:
    adapter.enqueue([payload(limits=[{"key": "k", "to": 3}]) for _ in range(9)])
    held = claim(adapter, worker)
    assert len(held) == 3
    adapter.settle([*map(Release, held), *map(Ack, held), *map(Release, held)])
    assert adapter.settle([*map(Release, held)]) == held
    assert len(claim(adapter, worker)) == 3
    assert claim(adapter, worker) == []


def test_a_backlog_of_ten_thousand_is_met_once(adapter: SqlAdapter, worker: str) -> None:
    jobs = [payload(limits=ONE) for _ in range(10_000)]
    adapter.enqueue(jobs)
    (held,) = claim(adapter, worker)
    assert adapter.stats().blocked == 9_999
    idle = executed(adapter, lambda: claim(adapter, worker))
    assert len(idle) == 2  # is the worker registered, is there anything
    following = executed(adapter, lambda: adapter.settle([Ack(held)]))
    assert len(following) < 30
    assert adapter.stats().enqueued == 1
    assert ids(claim(adapter, worker)) == [jobs[1].id]


def test_those_who_are_called_are_found_by_index(
    adapter: SqlAdapter, raw: sqlite3.Connection, worker: str
) -> None:
    adapter.enqueue([payload(limits=ONE) for _ in range(300)])
    (held,) = claim(adapter, worker)
    raw.execute("ANALYZE")
    with statements(adapter) as seen:
        adapter.settle([Ack(held)])
    steps = [
        (step, sql)
        for _, sql, parameters in seen
        if "jobkit_blocked" in sql and sql.startswith("SELECT")
        for *_, step in raw.execute(
            f"EXPLAIN QUERY PLAN {sql}",
            tuple(parameters[0] if isinstance(parameters, list) else parameters),
        )
    ]
    assert steps
    for step, sql in steps:
        assert "SCAN" not in step, (step, sql)
        assert "TEMP B-TREE" not in step, (step, sql)


def test_a_limit_that_nobody_uses_leaves_no_row(
    adapter: SqlAdapter, raw: sqlite3.Connection, worker: str, clock: ManualClock
) -> None:
    adapter.enqueue([payload(limits=[{"key": str(n), "to": 1}, *RATE]) for n in range(3)])
    while claims := claim(adapter, worker):
        adapter.settle([Ack(each) for each in claims])
        clock.advance(60)
        adapter.maintain(limit=100)
    adapter.maintain(limit=100)
    for table in ("jobkit_limits", "jobkit_places", "jobkit_blocked"):
        assert raw.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_places_that_another_version_left_behind_do_not_count(
    adapter: SqlAdapter, raw: sqlite3.Connection, worker: str
) -> None:
    adapter.enqueue([payload(limits=ONE), payload(limits=ONE)])
    (held,) = claim(adapter, worker)
    # As a worker settles that knows nothing of limits: the job is gone, its place is not.
    raw.execute("DELETE FROM jobkit_jobs WHERE id = ?", (held.payload.id,))
    assert raw.execute("SELECT count(*) FROM jobkit_places").fetchone() == (1,)
    assert claim(adapter, worker) == []


def test_upkeep_finds_those_who_were_forgotten(
    adapter: SqlAdapter, raw: sqlite3.Connection, worker: str, clock: ManualClock
) -> None:
    adapter.enqueue([payload(limits=ONE), payload(limits=ONE)])
    (held,) = claim(adapter, worker)
    raw.execute("DELETE FROM jobkit_jobs WHERE id = ?", (held.payload.id,))
    clock.advance(6)
    adapter.maintain(limit=100)
    assert len(claim(adapter, worker)) == 1


def test_a_cleared_queue_keeps_nobody_waiting(
    adapter: SqlAdapter, worker: str, clock: ManualClock
) -> None:
    adapter.enqueue([payload(limits=ONE) for _ in range(3)])
    (held,) = claim(adapter, worker)
    adapter.settle([Ack(held)])
    assert adapter.clear("default") == 1  # the one that was called
    clock.advance(6)
    adapter.maintain(limit=100)
    assert len(claim(adapter, register(adapter, "another"))) == 1
