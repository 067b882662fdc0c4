"""Storing jobs by the driver alone."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import alike, enqueue, payload


def test_many_jobs_keep_their_order_and_each_id_is_stored_once(
    adapter: SqlAdapter, raw: sqlite3.Connection
) -> None:
    """However many rows an insert takes, and what is left over."""
    there = enqueue(adapter)
    jobs = [payload() for _ in range(257)]
    adapter.enqueue([*jobs[:150], there, jobs[3], *jobs[150:], jobs[256]])
    stored = raw.execute("SELECT id FROM jobkit_jobs ORDER BY key").fetchall()
    assert [each for (each,) in stored] == [each.id for each in (there, *jobs)]


def test_a_single_job_waits_for_another_process_that_writes(
    adapter: SqlAdapter, raw: sqlite3.Connection
) -> None:
    enqueue(adapter)  # by a connection that is kept from then on
    raw.execute("BEGIN IMMEDIATE")
    began = threading.Event()

    def store() -> None:
        began.set()
        enqueue(adapter)

    thread = threading.Thread(target=store)
    thread.start()
    began.wait()
    thread.join(0.05)
    waited = thread.is_alive()
    raw.execute("COMMIT")
    thread.join()
    assert waited
    assert raw.execute("SELECT count(*) FROM jobkit_jobs").fetchone() == (2,)


def test_jobs_that_are_alike_lie_as_they_would_one_by_one(
    adapter: SqlAdapter, raw: sqlite3.Connection
) -> None:
    """However many rows an insert takes, and what is left over."""
    jobs = alike(257)
    adapter.enqueue(jobs)
    rows = "SELECT id, state, queue, priority, class, run_at, at, deliveries, payload"
    together = raw.execute(f"{rows} FROM jobkit_jobs ORDER BY key").fetchall()
    raw.execute("DELETE FROM jobkit_jobs")
    for job in jobs:
        adapter.enqueue([job])
    assert together == raw.execute(f"{rows} FROM jobkit_jobs ORDER BY key").fetchall()


def test_jobs_that_are_alike_are_stored_all_or_none(
    adapter: SqlAdapter, raw: sqlite3.Connection
) -> None:
    """Also when it is the last of several statements that fails."""
    adapter.migrate()
    raw.execute(
        "CREATE TRIGGER full BEFORE INSERT ON jobkit_jobs WHEN NEW.payload LIKE '%[256]%'"
        " BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(AdapterError, match="full"):
        adapter.enqueue(alike(257))
    assert raw.execute("SELECT count(*) FROM jobkit_jobs").fetchone() == (0,)
