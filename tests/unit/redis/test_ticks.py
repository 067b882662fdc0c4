"""Recurring entries on Redis: the tick and its job are written together or not at all."""

from __future__ import annotations

import time

import pytest

from jobkit.adapter import State
from jobkit.errors import AdapterError
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server

AT = 4_000_000_000.0


def job(**fields: object) -> Payload:
    usual = {"class": "app.Job", "args": [], "jid": new_id(), "queue": "default"}
    now = time.time()
    return Payload.of({**usual, "created_at": now, "enqueued_at": now, **fields})


@pytest.mark.parametrize(
    "key", ["queues", "schedule", "sequence", "queue:default", "priority:default"]
)
def test_a_tick_whose_job_cannot_be_stored_is_still_to_come(
    adapter: RedisAdapter, server: Server, key: str
) -> None:
    adapter.put_entry("a", "text", "")
    with server.client() as client:
        client.hset(f"{{jobkit}}:{key}", "of another", "kind")
        with pytest.raises(AdapterError, match="WRONGTYPE"):
            adapter.tick("a", AT, job())
        client.delete(f"{{jobkit}}:{key}")
    assert adapter.entries()[1][0].runs == ()
    assert adapter.tick("a", AT, job())


def test_a_tick_keeps_to_the_priority_and_the_time_of_its_job(adapter: RedisAdapter) -> None:
    adapter.put_entry("a", "text", "")
    usual, urgent, later = job(), job(priority=-5), job(scheduled_at=time.time() + 60)
    for nth, each in enumerate([usual, urgent, later]):
        assert adapter.tick("a", AT + nth, each)
    enqueued = adapter.jobs(State.ENQUEUED).items
    assert [each.payload.id for each in enqueued] == [urgent.id, usual.id]
    assert [each.payload.id for each in adapter.jobs(State.SCHEDULED).items] == [later.id]


def test_neighbouring_doubles_are_different_ticks(adapter: RedisAdapter) -> None:
    first, second = 1.1e9 + 4e9, 1.1e9 + 4e9 + 2**-19
    adapter.put_entry("a", "text", "")
    assert adapter.tick("a", first, job())
    assert adapter.tick("a", second, job())
    assert not adapter.tick("a", second, job())
    assert [at for at, _ in adapter.entries()[1][0].runs] == [second, first]


def test_a_name_that_cannot_be_stored_is_refused(adapter: RedisAdapter) -> None:
    with pytest.raises(AdapterError, match="half characters"):
        adapter.put_entry("\ud800", "text", "")


def test_a_removed_entry_leaves_nothing_behind(adapter: RedisAdapter, server: Server) -> None:
    adapter.put_entry("a", "text", "owner")
    adapter.tick("a", AT, job())
    adapter.pause_entry("a", paused=True)
    assert adapter.remove_entry("a")
    with server.client() as client:
        assert client.keys("*cron*") == []
