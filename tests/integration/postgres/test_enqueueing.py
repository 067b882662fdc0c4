"""Storing many jobs at once."""

from __future__ import annotations

import psycopg
import pytest

from jobkit_sql import SqlAdapter
from tests.unit.sql.support import alike, claim, payload

ODD = ["", "a\nb\r\n\u2028", "%s %(a)s %", "'\"\\n{},;\x1e\t", "\U0001f600\u00e9", "NULL"]


@pytest.mark.usefixtures("worker")
def test_jobs_that_are_alike_come_back_in_their_order_as_they_were(adapter: SqlAdapter) -> None:
    jobs = alike(1_000, ODD)
    adapter.enqueue(jobs)
    found = [held.payload for held in claim(adapter, "worker")]
    assert [each.text for each in found] == list(jobs.texts)
    assert found[0].args == [0, ODD]


def test_jobs_that_are_alike_lie_as_they_would_one_by_one(
    adapter: SqlAdapter, other: psycopg.Connection
) -> None:
    [job] = jobs = alike(1)
    adapter.enqueue(alike(2))
    adapter.enqueue([job, payload()])
    adapter.enqueue(jobs)  # the same again is not stored again
    rows = other.execute(
        "SELECT state, queue, priority, class, run_at = at, deliveries, worker, receipt"
        " FROM jobkit_jobs"
    ).fetchall()
    assert len(rows) == 4
    assert len({*rows}) == 1
