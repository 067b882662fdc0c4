"""No verb reads rows that do not concern it: asked of SQLite's planner, statement by statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from jobkit.adapter import Ack, Release, State
from jobkit.capabilities import JobFilter
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import claim, enqueue, ids, payload, register, statements

Act = Callable[[SqlAdapter, ManualClock], object]


def plans_of(adapter: SqlAdapter, raw: sqlite3.Connection, act: Callable[[], object]) -> list[str]:
    """How SQLite does what is executed meanwhile, a line for each step on the table of jobs."""
    with statements(adapter) as seen:
        act()
    texts = {
        (sql, tuple(parameters[0] if isinstance(parameters, list) else parameters))
        for _, sql, parameters in seen
        if "jobkit_jobs" in sql and not sql.startswith("INSERT")
    }
    assert texts, "nothing was asked of the jobs"
    steps = [
        step
        for sql, parameters in texts
        for *_, step in raw.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
    ]
    return [step for step in steps if "jobkit_jobs" in step or "TEMP B-TREE" in step]


@pytest.fixture(params=["fresh", "analyzed", "analyzed while there was one"])
def filled(
    request: pytest.FixtureRequest, adapter: SqlAdapter, raw: sqlite3.Connection, clock: ManualClock
) -> SqlAdapter:
    """A store with jobs in every state, its statistics unknown, known, or out of date."""
    register(adapter, "worker")
    if request.param == "analyzed while there was one":
        enqueue(adapter)
        raw.execute("ANALYZE")
    for queue in ("a", "b"):
        for _ in range(20):
            enqueue(adapter, queue=queue)
            enqueue(adapter, queue=queue, scheduled_at=clock.time() + 60)
    claim(adapter, "worker", "a", limit=5)
    for _ in range(20):
        enqueue(adapter, queue="limited", limits=[{"key": "k", "to": 1}])
    adapter.settle([Ack(each) for each in claim(adapter, "worker", "limited")])
    if request.param == "analyzed":
        raw.execute("ANALYZE")
    return adapter


def work(adapter: SqlAdapter, clock: ManualClock) -> None:
    claims = claim(adapter, "worker", "a", "b", limit=25)
    assert len(claims) == 25
    assert adapter.settle([Ack(each) for each in claims]) == []


def give_back(adapter: SqlAdapter, clock: ManualClock) -> None:
    claims = claim(adapter, "worker", "a", "b", limit=25)
    assert adapter.settle([Release(each) for each in claims]) == []


def upkeep(adapter: SqlAdapter, clock: ManualClock) -> None:
    clock.advance(60)
    promoted = [adapter.maintain(limit=7).promoted for _ in range(7)]
    assert promoted == [7, 7, 7, 7, 7, 5, 0]


def leave(adapter: SqlAdapter, clock: ManualClock) -> None:
    register(adapter, "heir")
    held = adapter.held("worker")
    assert adapter.beat("worker", lease=30, claims=held).lost == ()
    assert ids(adapter.recover("worker", to="heir")) == ids(held)
    assert adapter.retire("heir") == 5


def look(adapter: SqlAdapter, clock: ManualClock) -> None:
    adapter.stats()
    adapter.queues()
    adapter.workers()
    for state in set(State) - {State.RUNNING}:
        page = adapter.jobs(state, limit=5)
        adapter.jobs(state, limit=5, after=page.next)
    adapter.jobs(State.ENQUEUED, where=JobFilter(queue="b"), limit=5)
    adapter.find([job.payload.id for job in adapter.jobs(State.ENQUEUED).items])


def manage(adapter: SqlAdapter, clock: ManualClock) -> None:
    jobs = adapter.jobs(State.ENQUEUED, limit=3).items
    assert adapter.delete(jobs) == 3
    assert adapter.clear("b") == 20


def compete(adapter: SqlAdapter, clock: ManualClock) -> None:
    ways = ("success", "start", "time")
    jobs = [payload(unique={"key": "k", "until": until, "for": 60}) for until in ways]
    again = [job.replace(jid=f"other {nth}") for nth, job in enumerate(jobs)]
    replacing = [
        payload(unique={"key": "k", "until": until, "for": 60, "on_conflict": "replace"})
        for until in ways
    ]
    assert adapter.enqueue_unique(jobs) == [None] * 3
    assert adapter.enqueue_unique(again) == [job.id for job in jobs]
    assert adapter.enqueue_unique(replacing) == [None] * 3


@pytest.mark.parametrize("act", [work, give_back, upkeep, leave, look, manage, compete])
def test_every_step_uses_the_index_of_its_state(
    filled: SqlAdapter, raw: sqlite3.Connection, clock: ManualClock, act: Act
) -> None:
    steps = plans_of(filled, raw, lambda: act(filled, clock))
    assert steps
    if act in (leave, give_back):  # what one worker holds is sorted, and is little
        steps = [step for step in steps if "TEMP B-TREE" not in step]
    for step in steps:
        assert "USING" in step, step
        assert act is look or "SCAN" not in step, step


def test_a_claim_reads_only_enqueued_rows_of_its_queue(
    filled: SqlAdapter, raw: sqlite3.Connection
) -> None:
    steps = plans_of(filled, raw, lambda: claim(filled, "worker", "a"))
    indexed = [step for step in steps if "PRIMARY KEY" not in step]
    assert indexed
    for step in indexed:
        assert "jobkit_jobs_enqueued (queue=?)" in step
