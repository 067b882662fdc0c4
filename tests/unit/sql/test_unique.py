"""What unique jobs cost those that are not, and what of them is left behind."""

from __future__ import annotations

import sqlite3
from typing import Any

from jobkit.adapter import Ack, Bury, State
from jobkit.capabilities import Move
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import lived, payload, tables, words

READ = ["SELECT", "SELECT"]
LEND = ["SELECT", "SELECT", "UPDATE"]
PLAIN = {"jobkit_jobs", "jobkit_paused", "jobkit_stats", "jobkit_workers"}


def unique(until: str, key: str = "k", on_conflict: str = "skip", **fields: Any) -> Payload:
    lock = {"key": key, "until": until, "for": 60.0, "on_conflict": on_conflict}
    return payload(unique=lock, **fields)


def test_a_plain_job_costs_the_statements_it_always_did(adapter: SqlAdapter, worker: str) -> None:
    """Nothing of locks, limits, batches, results, or recurring entries."""
    said = lived(adapter)
    assert words(said) == [
        "INSERT",
        *(*READ, *LEND, "SELECT", "UPDATE"),
        *(*READ, *LEND, "SELECT", "UPDATE", "UPDATE", "INSERT", "UPDATE"),
        *("SELECT", "UPDATE"),
        *(*READ, *LEND, "DELETE", "UPDATE"),
    ]
    assert tables(said) == PLAIN


def test_locks_that_time_has_ended_do_not_pile_up(
    adapter: SqlAdapter, clock: ManualClock, raw: sqlite3.Connection
) -> None:
    adapter.enqueue_unique([unique("time", str(nth)) for nth in range(300)])
    clock.advance(61)
    for nth in range(5):
        adapter.enqueue_unique([unique("time", f"new {nth}")])
    assert raw.execute("SELECT count(*) FROM jobkit_locks").fetchone() == (5,)


def test_a_lock_whose_job_vanished_holds_nobody_up(
    adapter: SqlAdapter, raw: sqlite3.Connection
) -> None:
    """Deleted by hand in the database, or by a worker of a version that knows no locks."""
    adapter.enqueue_unique([unique("success"), unique("start")])
    raw.execute("DELETE FROM jobkit_jobs")
    assert adapter.enqueue_unique([unique("success"), unique("start")]) == [None, None]


def test_nothing_is_left_of_locks_whose_jobs_have_ended(
    adapter: SqlAdapter, worker: str, raw: sqlite3.Connection
) -> None:
    ways = ("success", "start")
    jobs = [unique(until, str(nth)) for nth in range(10) for until in ways]
    adapter.enqueue_unique(jobs)
    claims = adapter.claim(["default"], limit=8, worker=worker)
    adapter.settle([*map(Ack, claims[:4]), *(Bury(each, each.payload) for each in claims[4:])])
    waiting = adapter.jobs(State.ENQUEUED).items
    adapter.delete(waiting[:4])
    adapter.move([Move(each, each.payload, State.DEAD) for each in waiting[4:8]])
    assert raw.execute("SELECT count(*) FROM jobkit_locks").fetchone() == (4,)
    adapter.clear("default")
    assert raw.execute("SELECT count(*) FROM jobkit_locks").fetchone() == (0,)
