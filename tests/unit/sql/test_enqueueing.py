"""Storing jobs by the driver alone."""

from __future__ import annotations

import sqlite3
import threading

from jobkit_sql import SqlAdapter
from tests.unit.sql.support import enqueue, payload


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
