from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context

import pytest

from jobkit.adapter import Ack, Claim
from jobkit.errors import LeaseLost
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import claim, claim_one, enqueue, ids, payload, peek, register


def drain(url: str, worker: str, told: Callable[[list[str]], None]) -> None:
    with closing(SqlAdapter(url)) as adapter:
        register(adapter, worker)
        while claims := claim(adapter, worker, limit=10):
            assert adapter.settle([Ack(each) for each in claims]) == []
            told(ids(claims))


def claim_and_hang(url: str, worker: str, told: Callable[[list[str]], None]) -> None:
    with closing(SqlAdapter(url)) as adapter:
        register(adapter, worker)
        told(ids(claim(adapter, worker, limit=7)))
        adapter.wait([], 60)
        adapter.wait([], 60)


def test_two_processes_do_each_of_2000_jobs_once(adapter: SqlAdapter, url: str) -> None:
    jobs = [payload() for _ in range(2000)]
    adapter.enqueue(jobs)
    context = get_context("spawn")
    done = context.SimpleQueue()
    processes = [context.Process(target=drain, args=(url, w, done.put)) for w in ("one", "two")]
    for process in processes:
        process.start()
    got = [job for _ in range(200) for job in done.get()]
    for process in processes:
        process.join()
    assert sorted(got) == sorted(job.id for job in jobs)
    assert adapter.stats().processed == 2000
    assert adapter.stats().running == 0


def test_what_a_killed_process_held_is_recovered(adapter: SqlAdapter, url: str) -> None:
    jobs = [payload() for _ in range(10)]
    adapter.enqueue(jobs)
    context = get_context("spawn")
    held = context.SimpleQueue()
    process = context.Process(target=claim_and_hang, args=(url, "doomed", held.put))
    process.start()
    assert held.get() == [job.id for job in jobs[:7]]
    process.kill()
    process.join()
    register(adapter, "heir")
    assert ids(adapter.recover("doomed", to="heir")) == [job.id for job in jobs[:7]]
    assert ids(claim(adapter, "heir")) == [job.id for job in jobs[7:]]


def test_nobody_writes_between_the_statements_of_a_verb(
    adapter: SqlAdapter, raw: sqlite3.Connection
) -> None:
    with adapter._store.writing(), pytest.raises(sqlite3.OperationalError, match="locked"):
        raw.execute("BEGIN IMMEDIATE")
    raw.execute("BEGIN IMMEDIATE")


class TestWhileAnotherProcessWrites:
    """The idle must not ask for the write lock: they would wait, and keep others waiting."""

    @pytest.fixture(autouse=True)
    def _locked(self, raw: sqlite3.Connection, worker: str) -> None:
        raw.execute("BEGIN IMMEDIATE")

    def test_an_idle_worker_looks_for_work(self, adapter: SqlAdapter, worker: str) -> None:
        assert claim(adapter, worker) == []

    def test_an_unregistered_worker_is_told_so(self, adapter: SqlAdapter) -> None:
        with pytest.raises(LeaseLost, match="the worker stranger is not registered"):
            claim(adapter, "stranger")

    def test_upkeep_with_nothing_to_do_is_done(self, adapter: SqlAdapter, worker: str) -> None:
        assert adapter.maintain(limit=10).workers[worker].lease == 30

    def test_everything_can_be_inspected(self, adapter: SqlAdapter, worker: str) -> None:
        assert adapter.held(worker) == []
        assert adapter.stats().enqueued == 0
        assert adapter.queues() == []
        assert adapter.workers() == []

    def test_nothing_is_no_reason_to_write(self, adapter: SqlAdapter) -> None:
        adapter.enqueue([])
        assert adapter.settle([]) == []
        assert (adapter.move([]), adapter.delete([]), adapter.clear("default")) == (0, 0, 0)


def test_jobs_of_one_claim_share_a_token_that_no_other_claim_has(
    adapter: SqlAdapter, worker: str
) -> None:
    adapter.enqueue([payload() for _ in range(3)])
    first, second = claim(adapter, worker, limit=2)
    third = claim_one(adapter, worker)
    tokens = [each.receipt.partition(".")[2] for each in (first, second, third)]
    assert tokens[0] == tokens[1] != tokens[2]


@pytest.mark.parametrize(
    "receipt",
    ["", ".", "x", "1", "1.", "-1.x", "1.2.3", "²", "9" * 30 + ".x", "9" * 5000, "\ud800"],
)
def test_a_receipt_of_another_store_is_stale(
    adapter: SqlAdapter, worker: str, receipt: str
) -> None:
    enqueue(adapter)
    claim_one(adapter, worker)
    stranger = Claim(Payload("{}"), receipt)
    assert adapter.settle([Ack(stranger)]) == [stranger]
    assert adapter.beat(worker, lease=30, claims=[stranger]).lost == (stranger,)


def test_a_worker_whose_row_is_gone_has_lost_its_lease(
    adapter: SqlAdapter, raw: sqlite3.Connection, worker: str
) -> None:
    enqueue(adapter)
    raw.execute("DELETE FROM jobkit_workers")
    with pytest.raises(LeaseLost):
        claim(adapter, worker)
    assert not adapter.beat(worker, lease=30, claims=[]).registered


def test_a_job_without_an_id_is_stored_beside_others_without(adapter: SqlAdapter) -> None:
    adapter.enqueue([payload(jid=None), payload(jid=None)])
    assert peek(adapter) == ["", ""]


def test_payloads_are_lent_without_being_parsed(
    adapter: SqlAdapter, raw: sqlite3.Connection, worker: str
) -> None:
    enqueue(adapter)
    raw.execute("UPDATE jobkit_jobs SET payload = 'no json', deliveries = 2")
    held = claim_one(adapter, worker)
    assert (held.payload.text, held.deliveries) == ("no json", 2)


def test_time_is_the_clocks(adapter: SqlAdapter, clock: ManualClock, worker: str) -> None:
    job = enqueue(adapter, scheduled_at=clock.time() + 10)
    assert adapter.maintain(limit=1).due_in == 10
    clock.advance(9)
    assert claim(adapter, worker) == []
    clock.advance(1)
    assert adapter.maintain(limit=1).promoted == 1
    assert claim_one(adapter, worker).payload == job


def test_without_a_clock_time_is_the_machines(url: str) -> None:
    with closing(SqlAdapter(url)) as adapter:
        register(adapter, "worker")
        enqueue(adapter, scheduled_at=1.0)
        assert len(claim(adapter, "worker")) == 1
        enqueue(adapter, scheduled_at=4_000_000_000.0)
        assert claim(adapter, "worker") == []
