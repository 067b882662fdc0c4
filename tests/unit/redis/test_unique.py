"""Unique jobs on Redis: what they cost the others, and what they leave behind."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from jobkit.adapter import Ack, Bury, Requeue, State
from jobkit.capabilities import Move
from jobkit.errors import AdapterError
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server

LOCKS = "{jobkit}:unique"


@pytest.fixture
def shared(server: Server) -> Iterator[RedisAdapter]:
    """On keys that Ruby's workers share."""
    with server.client() as client:
        client.flushall()
    with closing(RedisAdapter(f"{server.url()}&namespace=")) as adapter:
        yield adapter


def ruby(server: Server, queue: str = "default") -> bytes | None:
    """Takes a job as Sidekiq's workers do."""
    with server.client() as client:
        taken: bytes | None = client.rpop(f"queue:{queue}")
    return taken


def job(**fields: Any) -> Payload:
    usual = {"class": "app.Job", "args": [], "jid": new_id(), "queue": "default"}
    now = time.time()
    return Payload.of({**usual, "created_at": now, "enqueued_at": now, **fields})


def unique(key: str = "k", until: str = "success", **fields: Any) -> Payload:
    return job(unique={"key": key, "until": until, "for": 60.0}, **fields)


def claim(adapter: RedisAdapter) -> Any:
    (only,) = adapter.claim(["default"], limit=1, worker="worker")
    return only


def life(adapter: RedisAdapter) -> None:
    """A job is stored, comes back, dies, is run again and done. One of its arguments is a trap."""
    one = job(kwargs={"unique": {"key": "an argument"}})
    adapter.enqueue([one])
    held = claim(adapter)
    adapter.settle([Requeue(held, held.payload, State.ENQUEUED)])
    held = claim(adapter)
    adapter.settle([Bury(held, held.payload)])
    (dead,) = adapter.find([one.id])
    adapter.move([Move(dead, dead.payload, State.ENQUEUED)])
    adapter.settle([Ack(claim(adapter))])


def test_a_job_that_is_not_unique_costs_the_commands_it_always_did(
    adapter: RedisAdapter, server: Server
) -> None:
    with server.client() as client:
        life(adapter)  # the server learns the scripts
        adapter._store.here.woken["default"] = math.inf  # else some wake somebody, by the clock
        client.config_resetstat()
        life(adapter)
        stats = client.info("commandstats")
    # Not others, or (publish) at most one in a window of time, or (subscribe) another test's.
    others = {"config|resetstat", "client|setinfo", "hello", "info", "select", "publish"}
    others |= {"subscribe", "unsubscribe"}
    calls = {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()}
    assert {name: count for name, count in calls.items() if name not in others} == {
        "evalsha": 14,
        "exists": 5,
        "hdel": 3,
        "hexists": 3,
        "hget": 2,
        "hgetall": 1,
        "hkeys": 2,
        "hlen": 5,
        "hmget": 2,
        "hset": 3,
        "incrby": 6,
        "lpush": 3,
        "rpop": 3,
        "sadd": 3,
        "smembers": 7,
        "time": 7,
        "zadd": 1,
        "zrem": 1,
        "zscan": 4,
        "zscore": 1,
    }


def test_nothing_is_left_of_locks_whose_jobs_have_ended(
    adapter: RedisAdapter, server: Server
) -> None:
    jobs = [unique(str(nth), until) for nth in range(10) for until in ("success", "start")]
    assert adapter.enqueue_unique(jobs) == [None] * 20
    claims = adapter.claim(["default"], limit=8, worker="worker")
    adapter.settle([*map(Ack, claims[:4]), *(Bury(each, each.payload) for each in claims[4:])])
    waiting = adapter.jobs(State.ENQUEUED).items
    adapter.delete(waiting[:4])
    adapter.move([Move(each, each.payload, State.DEAD) for each in waiting[4:8]])
    with server.client() as client:
        assert client.hlen(LOCKS) == 4
        adapter.clear("default")
        assert client.hlen(LOCKS) == 0


def test_a_lock_that_ends_by_time_is_forgotten_by_the_server(
    adapter: RedisAdapter, server: Server
) -> None:
    began = time.time()
    adapter.enqueue_unique([unique(until="time", scheduled_at=began + 100)])
    with server.client() as client:
        left = client.pttl(f"{LOCKS}:time:k")
    assert left + (time.time() - began) * 1_000 > 158_000
    assert left <= 160_000


@pytest.mark.parametrize(
    "key", ["queues", "schedule", "sequence", "queue:default", "priority:default", "unique"]
)
def test_where_a_job_cannot_be_stored_no_lock_is_taken(
    adapter: RedisAdapter, server: Server, key: str
) -> None:
    with server.client() as client:
        client.xadd(f"{{jobkit}}:{key}", {"of another": "kind"})
        with pytest.raises(AdapterError, match="WRONGTYPE"):
            adapter.enqueue_unique([unique()])
        client.delete(f"{{jobkit}}:{key}")
    assert adapter.enqueue_unique([unique()]) == [None]


def test_a_job_repeated_after_its_end_takes_no_lock(adapter: RedisAdapter, server: Server) -> None:
    """By an idempotency key: it is not stored again, and would never free it."""
    once = unique(jid="0193d1a2b3c4510e8f00112233445566")
    assert adapter.enqueue_unique([once]) == [None]
    adapter.settle([Ack(claim(adapter))])
    assert adapter.enqueue_unique([once]) == [None]
    with server.client() as client:
        assert client.hlen(LOCKS) == 0


def test_a_job_that_lost_may_be_repeated(adapter: RedisAdapter) -> None:
    first, once = unique(), unique(jid="0193d1a2b3c4510e8f00112233445566")
    adapter.enqueue_unique([first])
    assert adapter.enqueue_unique([once]) == [first.id]
    adapter.settle([Ack(claim(adapter))])
    assert adapter.enqueue_unique([once]) == [None]
    assert claim(adapter).payload.id == once.id


def test_arguments_that_look_like_a_lock_free_nobody_s(
    adapter: RedisAdapter, server: Server
) -> None:
    first = unique(until="start")
    adapter.enqueue([job(kwargs={"unique": {"key": "k", "until": "start"}, "jid": first.id})])
    adapter.enqueue([Payload('{"class":"app.Job","args":[{"unique":{"key":"k"}}],"unique":3}')])
    adapter.enqueue_unique([first])
    for _ in range(2):
        adapter.settle([Ack(claim(adapter))])
    with server.client() as client:
        assert client.hlen(LOCKS) == 1


@pytest.mark.parametrize("until", ["success", "start"])
def test_a_job_that_ruby_took_keeps_nobody_out(
    shared: RedisAdapter, server: Server, until: str
) -> None:
    first, second, third = (unique(until=until) for _ in range(3))
    assert shared.enqueue_unique([first]) == [None]
    assert ruby(server) is not None
    assert shared.enqueue_unique([second]) == [None]
    assert shared.enqueue_unique([third]) == [second.id]


def test_a_job_that_ruby_buried_keeps_nobody_out(shared: RedisAdapter, server: Server) -> None:
    first, second = unique(), unique()
    shared.enqueue_unique([first])
    text = ruby(server)
    assert text is not None
    with server.client() as client:
        client.zadd("dead", {text: time.time()})
    assert shared.enqueue_unique([second]) == [None]


def test_a_tick_goes_on_when_ruby_took_the_one_before(shared: RedisAdapter, server: Server) -> None:
    now = time.time()
    shared.put_entry("x", "{}", "")
    first, second = unique(), unique()
    assert shared.tick("x", now + 1, first)
    assert ruby(server) is not None
    assert shared.tick("x", now + 2, second)
    assert [job.payload.id for job in shared.jobs(State.ENQUEUED).items] == [second.id]


def test_where_ruby_is_the_winner_is_looked_for_now_and_then_only(
    shared: RedisAdapter, server: Server
) -> None:
    first = unique()
    shared.enqueue_unique([first])
    assert shared.enqueue_unique([unique()]) == [first.id]
    with server.client() as client:
        client.config_resetstat()
        assert shared.enqueue_unique([unique()]) == [first.id]
        stats = client.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert stats["cmdstat_hmget"]["calls"] == 1


def test_a_job_that_runs_is_no_ghost(shared: RedisAdapter) -> None:
    shared.beat("worker", lease=30, claims=[], register=True)
    first = unique()
    shared.enqueue_unique([first])
    held = claim(shared)
    assert shared.enqueue_unique([unique()]) == [first.id]
    shared.settle([Ack(held)])
    assert shared.enqueue_unique([unique()]) == [None]
