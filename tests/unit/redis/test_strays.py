"""Members of batches whose jobs vanished from the store without a word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from jobkit.adapter import Ack, Requeue, State
from jobkit.batching import Event, NewBatch
from jobkit.errors import AdapterError
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server

MINUTE, QUIET, LOOKS = 60.0, 10, 5


class Clock:
    """Moved by the tests, in minutes."""

    def __init__(self) -> None:
        self.minutes = 0.0

    def __call__(self) -> float:
        return self.minutes * MINUTE


@pytest.fixture
def clock(adapter: RedisAdapter) -> Clock:
    clock = Clock()
    adapter._strays._clock = clock
    return clock


@pytest.fixture
def other(server: Server, adapter: RedisAdapter, clock: Clock) -> Iterator[RedisAdapter]:
    """The store as another process has it."""
    with closing(RedisAdapter(server.url())) as other:
        other._strays._clock = clock
        yield other


def passed(adapter: RedisAdapter, clock: Clock, minutes: int) -> None:
    """Have upkeep run through so many minutes."""
    for _ in range(minutes):
        adapter.maintain(limit=100)
        adapter._strays.join()
        clock.minutes += 1


def job(queue: str = "default", **fields: object) -> Payload:
    usual = {"class": "app.Job", "args": [], "jid": new_id(), "queue": queue, "created_at": 1.7e9}
    return Payload.of({**usual, **fields})


def opened(adapter: RedisAdapter, *jobs: Payload, parent: str | None = None) -> NewBatch:
    batch = NewBatch(new_id(), parent=parent, callbacks={Event.FINISH: job("callbacks")})
    members = [each.replace(bid=batch.id) for each in jobs]
    adapter.enqueue_batch(batch.id, members, opens=batch, closes=True)
    return batch


def pending(adapter: RedisAdapter, batch: NewBatch) -> int | None:
    """None when it has finished."""
    found = adapter.batch(batch.id)
    assert found is not None
    return found.pending if found.finished_at is None else None


def callbacks(adapter: RedisAdapter) -> list[str]:
    return [
        each.payload.id
        for each in adapter.jobs(State.ENQUEUED, limit=100).items
        if each.payload.queue == "callbacks"
    ]


@pytest.mark.behaviour("J4")
def test_a_batch_does_not_wait_for_members_that_vanished(
    adapter: RedisAdapter, server: Server, clock: Clock
) -> None:
    stays, goes = job("stays"), [job("evicted") for _ in range(3)]
    batch = opened(adapter, stays, *goes)
    with server.client() as client:
        client.delete("{jobkit}:queue:evicted")
    passed(adapter, clock, QUIET + LOOKS - 1)
    assert pending(adapter, batch) == 4
    passed(adapter, clock, 2)
    assert pending(adapter, batch) == 1
    assert callbacks(adapter) == []
    [claim] = adapter.claim(["stays"], limit=1, worker="worker")
    adapter.settle([Ack(claim)])
    assert pending(adapter, batch) is None
    assert callbacks(adapter) == [batch.callbacks[Event.FINISH].id]


@pytest.mark.behaviour("J4")
def test_the_last_members_that_vanished_have_the_callback_come(
    adapter: RedisAdapter, server: Server, clock: Clock
) -> None:
    batch = opened(adapter, job("evicted"))
    with server.client() as client:
        client.delete("{jobkit}:queue:evicted")
    passed(adapter, clock, QUIET + LOOKS + 2)
    assert pending(adapter, batch) is None
    passed(adapter, clock, 30)
    assert callbacks(adapter) == [batch.callbacks[Event.FINISH].id]


def test_members_wherever_they_are_stay_members(adapter: RedisAdapter, clock: Clock) -> None:
    limit = {"limits": [{"key": "one", "to": 1}]}
    jobs = [
        *(job("held", **limit) for _ in range(2)),
        *(job("worked") for _ in range(3)),
        job(scheduled_at=4e9),
        job(priority=5),
        job(),
    ]
    batch = opened(adapter, *jobs)
    assert len(adapter.claim(["held"], limit=2, worker="worker")) == 1
    claims = adapter.claim(["worked"], limit=2, worker="worker")
    adapter.settle([Requeue(claims[0], claims[0].payload.replace(scheduled_at=4e9), State.RETRY)])
    nested = opened(adapter, job(), parent=batch.id)
    passed(adapter, clock, 60)
    assert pending(adapter, batch) == len(jobs) + 1
    assert pending(adapter, nested) == 1


def test_a_nested_batch_that_vanished_is_waited_for_no_more(
    adapter: RedisAdapter, server: Server, clock: Clock
) -> None:
    batch = opened(adapter, job())
    nested = opened(adapter, job(), parent=batch.id)
    with server.client() as client:
        client.delete(f"{{jobkit}}:batch:{nested.id}", f"{{jobkit}}:pending:{nested.id}")
    passed(adapter, clock, QUIET + LOOKS + 2)
    assert pending(adapter, batch) == 1


def test_a_batch_whose_members_were_forgotten_ends(
    adapter: RedisAdapter, server: Server, clock: Clock
) -> None:
    batch = opened(adapter, job())
    with server.client() as client:
        client.delete(f"{{jobkit}}:pending:{batch.id}")
    passed(adapter, clock, 1)
    assert callbacks(adapter) == [batch.callbacks[Event.FINISH].id]


def test_an_end_begins_the_waiting_anew(
    adapter: RedisAdapter, server: Server, clock: Clock
) -> None:
    batch = opened(adapter, job("worked"), job("evicted"))
    with server.client() as client:
        client.delete("{jobkit}:queue:evicted")
    passed(adapter, clock, QUIET - 1)
    [claim] = adapter.claim(["worked"], limit=1, worker="worker")
    adapter.settle([Ack(claim)])
    passed(adapter, clock, QUIET + LOOKS - 2)
    assert pending(adapter, batch) == 1
    passed(adapter, clock, 4)
    assert pending(adapter, batch) is None


def test_a_store_in_trouble_costs_one_look(
    adapter: RedisAdapter, server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = opened(adapter, job("evicted"))
    with server.client() as client:
        client.delete("{jobkit}:queue:evicted")
    passed(adapter, clock, QUIET + 1)
    with monkeypatch.context() as patched:
        patched.setattr(adapter._strays, "_missing", _lost)
        passed(adapter, clock, 3)
    passed(adapter, clock, LOOKS)
    assert pending(adapter, batch) is None


def _lost(ids: object) -> set[str]:
    raise AdapterError("the connection was lost")


def test_one_process_looks_and_another_when_that_is_gone(
    adapter: RedisAdapter, other: RedisAdapter, server: Server, clock: Clock
) -> None:
    opened(adapter, job())
    for each in (adapter, other):
        each.maintain(limit=100)
    assert (len(adapter._strays._quiet), len(other._strays._quiet)) == (1, 0)
    with server.client() as client:
        assert 0 < client.pttl("{jobkit}:batches:watched") <= 150_000
        client.delete("{jobkit}:batches:watched")  # as time does
    clock.minutes += 2
    other.maintain(limit=100)
    assert len(other._strays._quiet) == 1


def test_batches_that_ended_are_not_remembered(adapter: RedisAdapter, clock: Clock) -> None:
    opened(adapter, job("worked"))
    passed(adapter, clock, 2)
    assert len(adapter._strays._quiet) == 1
    [claim] = adapter.claim(["worked"], limit=1, worker="worker")
    adapter.settle([Ack(claim)])
    passed(adapter, clock, 2)
    assert adapter._strays._quiet == {}
