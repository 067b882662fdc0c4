"""What a job costs on PostgreSQL that uses none of what some jobs have."""

from __future__ import annotations

import pytest

from jobkit_sql import SqlAdapter
from tests.unit.sql.support import lived, tables, words

CLAIM = "WITH"
PLAIN = {"jobkit_jobs", "jobkit_paused", "jobkit_stats", "jobkit_workers"}


@pytest.mark.usefixtures("worker")
def test_a_plain_job_costs_the_statements_it_always_did(adapter: SqlAdapter) -> None:
    """Nothing of locks, limits, batches, results, or recurring entries."""
    # But for the bell, which rings once in a while.
    said = [sql for sql in lived(adapter) if "pg_notify" not in sql]
    assert words(said) == [
        "INSERT",
        *(CLAIM, "SELECT", "UPDATE"),
        *(CLAIM, "SELECT", "UPDATE", "UPDATE", "INSERT", "UPDATE"),
        *("SELECT", "UPDATE"),
        *(CLAIM, "WITH"),
    ]
    assert tables(said) == PLAIN
