"""What a call reads is what it names, whatever the planner thinks of the tables.

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
from jobkit.capabilities import Move, StoredJob
from jobkit.payload import new_id
from jobkit.results import Result
from jobkit_sql import SqlAdapter
from tests.integration.postgres.backlog import fill, forget_all, never_analyzed
from tests.integration.postgres.reading import Readings, readings, telling
from tests.unit.sql.support import claim, enqueue, payload, register

ROWS = 4_000
"""Of each kind. Whoever walks over them looks at that many pages, of all jobs at 2,000."""

MOST = 1_000
"""Twice what the largest claim of these tests reads."""

FEW = [{"key": "few", "to": 2}]
OFTEN = [{"key": "often", "to": 100_000, "per": 3600}]

Opened = tuple[SqlAdapter, Readings]


@pytest.fixture(params=["auto", "force_generic_plan"])
def opener(
    request: pytest.FixtureRequest, url: str, other: psycopg.Connection
) -> Iterator[Callable[[Retention], Opened]]:
    """Opens a store that has been in use, was analyzed while it was empty, and is full now."""

    def opened(retention: Retention) -> Opened:
        adapter = stack.enter_context(closing(SqlAdapter(told, retention=retention)))
        live(adapter)
        forget_all(other)
        adapter.enqueue([payload(queue="early") for _ in range(3)])
        fill(other, ROWS)
        found.clear()
        return adapter, found

    told = telling(url, plan_cache_mode=request.param)
    with never_analyzed(other), readings() as found, ExitStack() as stack:
        yield opened


@pytest.mark.parametrize("keep", [0, 60])
def test_a_statement_reads_what_it_names(opener: Callable[[Retention], Opened], keep: int) -> None:
    """The bug: settlements, upkeep and others walked over all jobs, or over all that wait.

    That took 60 to 700 ms beside 200,000, and claims under a rate more than the five seconds that
    a call may take.
    """
    adapter, found = opener(Retention(keep_finished=keep))
    live(adapter)
    assert len(found.most) > 90
    assert found.beyond(MOST) == {}


def test_what_counts_all_reads_each_row_once(
    opener: Callable[[Retention], Opened], other: psycopg.Connection
) -> None:
    """The bug: for each of those that wait, all of them; the limits took more than a minute."""
    adapter, found = opener(Retention())
    other.execute("UPDATE jobkit_limits SET look_at = 0 WHERE key = 'long'")
    adapter.maintain(limit=5)
    adapter.limits()
    adapter.stats()
    adapter.queues()
    adapter.workers()
    adapter.jobs(State.RUNNING, limit=5)
    assert len(found.most) > 20
    assert found.beyond(10 * ROWS) == {}


def live(adapter: SqlAdapter) -> None:
    """Jobs of all kinds come to all ends, beside others that wait."""
    worker = register(adapter, "worker")
    store(adapter)
    adapter._maintain._strays._look_at = 0.0
    adapter.maintain(limit=5)
    while held := claim(adapter, worker, limit=40):
        adapter.settle([end(nth, each) for nth, each in enumerate(held)])
    look(adapter)
    manage(adapter)
    leave(adapter)
    adapter.clear("early")
    adapter.clear("default")


def store(adapter: SqlAdapter) -> None:
    batch = NewBatch(new_id(), callbacks={Event.FINISH: payload(queue="callbacks")})
    members = [payload(bid=batch.id) for _ in range(5)]
    adapter.enqueue([payload() for _ in range(20)])
    adapter.enqueue([payload(limits=FEW) for _ in range(5)])
    adapter.enqueue([payload(limits=OFTEN) for _ in range(3)])
    adapter.enqueue([payload(scheduled_at=1.0, queue="soon") for _ in range(3)])
    adapter.enqueue_batch(batch.id, members, opens=batch, closes=True)
    for until in ("executed", "success", "start", "time"):
        adapter.enqueue_unique([payload(unique=lock(new_id(), until)) for _ in range(2)])
        for way in ("skip", "skip", "replace"):
            adapter.enqueue_unique([payload(unique=lock(until, until, way))])


def end(nth: int, claim: Claim) -> Ack | Bury | Release | Requeue:
    first = claim.deliveries == 1
    if first and nth % 5 == 1:
        return Release(claim, started=nth % 2 == 0)
    if first and nth % 5 == 2:
        return Requeue(claim, claim.payload, State.ENQUEUED)
    if nth % 5 == 3:
        return Bury(claim, claim.payload)
    return Ack(claim, result=Result("1", 60.0) if nth % 5 == 4 else None)


def look(adapter: SqlAdapter) -> None:
    job = enqueue(adapter)
    adapter.find([job.id])
    adapter.result(job.id)
    for state in [each for each in State if each is not State.RUNNING]:  # all of which are sorted
        page = adapter.jobs(state, limit=5)
        adapter.jobs(state, limit=5, after=page.next)
    for batch in adapter.batches(limit=2).items:
        adapter.batch(batch.id)
        adapter.members(batch.id, failed=True, limit=5)


def manage(adapter: SqlAdapter) -> None:
    for state, to in ((State.BLOCKED, State.SCHEDULED), (State.DEAD, State.ENQUEUED)):
        jobs: tuple[StoredJob, ...] = adapter.jobs(state, limit=4).items
        adapter.move([Move(each, each.payload, to) for each in jobs[:2]])
        adapter.delete(jobs[2:])
        adapter.restore(jobs)


def leave(adapter: SqlAdapter) -> None:
    """A worker dies, and so does its heir."""
    for fields in ({"limits": FEW}, {"limits": OFTEN}, {"unique": lock(new_id(), "executed")}):
        enqueue(adapter, **fields)
    adapter.beat("worker", lease=30, claims=claim(adapter, "worker", limit=5))
    register(adapter, "heir")
    adapter.recover("worker", to="heir")
    adapter.held("heir")
    adapter.retire("heir")


def lock(key: str, until: str, way: str = "skip") -> dict[str, Any]:
    return {"key": key, "until": until, "for": 60.0, "on_conflict": way}
