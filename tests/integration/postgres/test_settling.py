"""What nearly every batch of settlements is, in one statement."""

from __future__ import annotations

import psycopg

from jobkit.adapter import Ack, Release, State
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import claim, claim_one, enqueue, payload, register, statements


def test_jobs_that_are_done_take_one_statement_however_many(
    adapter: SqlAdapter, worker: str
) -> None:
    adapter.enqueue([payload() for _ in range(300)])
    adapter.settle([Ack(each) for each in claim(adapter, worker, limit=100)])
    held = claim(adapter, worker)
    with statements(adapter) as seen:
        assert adapter.settle([Ack(each) for each in held]) == []
    assert len(seen) == 1
    assert adapter.stats().processed == 300
    assert not adapter.jobs(State.RUNNING).items


def test_done_jobs_go_only_under_the_receipt_that_holds_them(
    adapter: SqlAdapter, worker: str
) -> None:
    done, again = enqueue(adapter), enqueue(adapter)
    old = claim(adapter, worker)
    adapter.settle([Release(old[1])])
    new = claim_one(adapter, worker)
    assert adapter.settle([Ack(old[0]), Ack(old[1])]) == [old[1]]
    assert adapter.held(worker) == [new]
    assert adapter.settle([Ack(old[0]), Ack(new), Ack(new)]) == [old[0], new]
    assert adapter.find([done.id, again.id]) == []
    assert adapter.stats().processed == 2


def test_done_jobs_are_found_by_their_keys_among_very_many(
    adapter: SqlAdapter, worker: str, other: psycopg.Connection
) -> None:
    other.execute(
        "INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class,"
        " payload) SELECT 1e9, 1e9, 0, 0, 'waiting' || n, 'scheduled', 'default', 'Job', '{}'"
        " FROM generate_series(1, 20000) AS n"
    )
    other.execute("VACUUM ANALYZE jobkit_jobs")
    register(adapter, worker)
    adapter.enqueue([payload() for _ in range(100)])
    held = claim(adapter, worker)
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'jobkit_jobs'"
    before = other.execute(scans).fetchone()
    assert adapter.settle([Ack(each) for each in held]) == []
    adapter.close()  # what a session counted is known when it is over
    assert other.execute(scans).fetchone() == before
