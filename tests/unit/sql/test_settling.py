from __future__ import annotations

from contextlib import closing

import pytest

from jobkit.adapter import (
    Ack,
    Bury,
    Checkpoint,
    Claim,
    Release,
    Requeue,
    Retention,
    Settlement,
    State,
    Tally,
)
from jobkit.errors import AdapterError
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import (
    claim,
    claim_one,
    enqueue,
    ids,
    payload,
    peek,
    register,
    statements,
)

UNSTORABLE = Payload('{"jid":"bad","class":"\ud800"}')


@pytest.fixture
def claims(adapter: SqlAdapter, worker: str) -> list[Claim]:
    adapter.enqueue([payload() for _ in range(9)])
    return claim(adapter, worker)


@pytest.mark.parametrize("guilty", range(9))
@pytest.mark.parametrize(
    "settlement",
    [
        lambda held: Bury(held, UNSTORABLE),
        lambda held: Checkpoint(held, UNSTORABLE),
        lambda held: Requeue(held, UNSTORABLE, State.RETRY),
    ],
    ids=["bury", "checkpoint", "requeue"],
)
def test_a_settlement_the_store_refuses_harms_no_other(
    adapter: SqlAdapter, claims: list[Claim], worker: str, guilty: int, settlement: object
) -> None:
    batch: list[Settlement] = [Ack(each) for each in claims]
    batch[guilty] = settlement(claims[guilty])  # type: ignore[operator]
    with pytest.raises(AdapterError, match="the store refuses a value"):
        adapter.settle(batch)
    assert adapter.held(worker) == [claims[guilty]]
    assert adapter.stats().processed == 8
    assert adapter.settle([Release(claims[guilty])]) == []


def test_several_refused_settlements_harm_no_other(
    adapter: SqlAdapter, claims: list[Claim], worker: str
) -> None:
    batch = [
        Bury(each, UNSTORABLE) if nth % 3 == 0 else Ack(each) for nth, each in enumerate(claims)
    ]
    with pytest.raises(AdapterError):
        adapter.settle(batch)
    assert adapter.held(worker) == claims[::3]


def test_a_claim_is_spent_by_its_first_settlement_in_a_batch(
    adapter: SqlAdapter, claims: list[Claim]
) -> None:
    first, *_ = claims
    assert adapter.settle([Release(first), Ack(first)]) == [first]
    assert peek(adapter) == [first.payload.id]
    assert adapter.stats().processed == 0


def test_done_jobs_go_only_under_the_receipt_that_holds_them(
    adapter: SqlAdapter, worker: str
) -> None:
    done, again = enqueue(adapter), enqueue(adapter)
    old = claim(adapter, worker)
    adapter.settle([Release(old[1])])
    new = claim_one(adapter, worker)
    # The other of the old claim is held, and so is the token of the new one.
    assert adapter.settle([Ack(old[0]), Ack(old[1])]) == [old[1]]
    assert adapter.held(worker) == [new]
    assert adapter.settle([Ack(old[0]), Ack(new), Ack(new)]) == [old[0], new]
    assert adapter.find([done.id, again.id]) == []
    assert adapter.stats().processed == 2


def test_a_checkpoint_and_the_end_may_stand_in_one_batch(
    adapter: SqlAdapter, claims: list[Claim]
) -> None:
    first, *_ = claims
    progress = [first.payload.replace(cursor=number) for number in (1, 2)]
    batch: list[Settlement] = [Checkpoint(first, each) for each in progress]
    batch.append(Release(first))
    assert adapter.settle(batch) == []
    assert adapter.find([first.payload.id])[0].payload == progress[-1]


def test_a_job_that_was_due_long_ago_still_goes_behind_what_waits(
    adapter: SqlAdapter, clock: ManualClock, worker: str
) -> None:
    enqueue(adapter)
    held = claim_one(adapter, worker)
    other = enqueue(adapter)
    clock.advance(1)
    once_due = held.payload.replace(scheduled_at=clock.time() - 60)
    adapter.settle([Requeue(held, once_due, State.ENQUEUED)])
    assert peek(adapter) == [other.id, held.payload.id]


@pytest.mark.parametrize("state", [State.ENQUEUED, State.SCHEDULED, State.RETRY])
def test_a_requeued_text_that_is_no_job_keeps_the_place_it_had(
    adapter: SqlAdapter, clock: ManualClock, worker: str, state: State
) -> None:
    job = enqueue(adapter, queue="q", priority=3)
    held = claim_one(adapter, worker, "q")
    clock.advance(5)
    assert adapter.settle([Requeue(held, Payload("no json"), state)]) == []
    [found] = adapter.find([job.id])
    assert (found.state, found.at, found.payload.text) == (state, clock.time(), "no json")
    adapter.maintain(limit=1)
    assert claim_one(adapter, worker, "q").payload.text == "no json"


def test_a_buried_text_that_is_no_job_is_found_by_what_its_row_says(
    adapter: SqlAdapter, worker: str
) -> None:
    job = enqueue(adapter, queue="q")
    held = claim_one(adapter, worker, "q")
    adapter.settle([Bury(held, Payload("no json"))])
    assert [found.state for found in adapter.find([job.id])] == [State.DEAD]


def test_deliveries_are_as_the_payload_says(adapter: SqlAdapter, worker: str) -> None:
    enqueue(adapter)
    held = claim_one(adapter, worker)
    again = held.payload.replace(deliveries=2)
    adapter.settle([Requeue(held, again, State.ENQUEUED, head=True)])
    assert claim_one(adapter, worker).deliveries == 2


def test_a_batch_is_counted_on_its_day(
    adapter: SqlAdapter, clock: ManualClock, claims: list[Claim]
) -> None:
    one, two, three, four, five, *_ = claims
    adapter.settle([Ack(one), Ack(two, Tally.NEITHER), Bury(three, three.payload)])
    clock.advance(86_400)
    adapter.settle([Ack(four, Tally.FAILED), Release(five), Ack(one)])
    days = [(day.processed, day.failed) for day in adapter.history(3)]
    assert days == [(0, 0), (2, 1), (1, 1)]
    assert (adapter.stats().processed, adapter.stats().failed) == (3, 2)


def test_a_history_of_no_days_is_empty(adapter: SqlAdapter) -> None:
    assert adapter.history(0) == []


def test_a_batch_of_any_size_takes_as_many_statements(adapter: SqlAdapter, worker: str) -> None:
    adapter.enqueue([payload() for _ in range(1101)])
    counts = []
    for size in (1, 100, 1000):
        claims = claim(adapter, worker, limit=size)
        with statements(adapter) as seen:
            adapter.settle([Ack(each) for each in claims])
        counts.append(len(seen))
    assert counts[0] - 1 == counts[1] == counts[2]  # the day's first settlement adds its row


def test_a_finished_job_is_kept_as_long_as_was_asked(url: str, clock: ManualClock) -> None:
    retention = Retention(keep_finished=60)
    with closing(SqlAdapter(url, clock=clock, retention=retention)) as adapter:
        job = enqueue(adapter)
        held = claim_one(adapter, register(adapter, "worker"))
        clock.advance(1)
        assert adapter.settle([Ack(held)]) == []
        [found] = adapter.jobs(State.COMPLETED).items
        assert (found.payload, found.at, found.worker) == (job, clock.time(), None)
        assert adapter.settle([Ack(held)]) == [held]
        clock.advance(59)
        assert adapter.maintain(limit=10).trimmed == 0
        clock.advance(1)
        assert adapter.maintain(limit=10).trimmed == 1
        assert adapter.find([job.id]) == []


def test_the_dead_set_is_trimmed_by_age_and_number_in_slices(url: str, clock: ManualClock) -> None:
    retention = Retention(dead_max=3, dead_days=1)
    with closing(SqlAdapter(url, clock=clock, retention=retention)) as adapter:
        register(adapter, "worker")
        for _ in range(8):
            enqueue(adapter)
            held = claim_one(adapter, "worker")
            clock.advance(1)
            adapter.settle([Bury(held, held.payload)])
        newest = ids(adapter.jobs(State.DEAD, limit=3).items)
        assert [adapter.maintain(limit=2).trimmed for _ in range(4)] == [2, 2, 1, 0]
        assert ids(adapter.jobs(State.DEAD).items) == newest
        clock.advance(86_400 - 1)
        assert adapter.maintain(limit=10).trimmed == 2
        assert ids(adapter.jobs(State.DEAD).items) == newest[:1]
