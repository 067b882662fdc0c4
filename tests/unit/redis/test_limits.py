"""Limits on Redis: what they cost those who have none, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, State
from jobkit.capabilities import LimitInfo, Move
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit.testing.contract.support import claim, ids, limited, payload, register
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server

ONE = {"key": "k", "to": 1}
RATE = {"key": "k", "to": 1, "per": 60.0}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def adapter(server: Server, clock: ManualClock) -> Iterator[RedisAdapter]:
    with server.client() as client:
        client.flushall()
    with closing(RedisAdapter(server.url(), clock=clock)) as adapter:
        yield adapter


@pytest.fixture
def worker(adapter: RedisAdapter) -> str:
    return register(adapter, "worker")


def many(adapter: RedisAdapter, number: int, **fields: Any) -> list[Payload]:
    jobs = [payload(limits=[ONE], **fields) for _ in range(number)]
    adapter.enqueue(jobs)
    return jobs


def calls(client: Any) -> dict[str, int]:
    """The commands since the last reset, but those of connections and of what was asked here."""
    others = {"config|resetstat", "client|setinfo", "hello", "info", "select", "publish"}
    told = client.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in told.items()}
    return {name: count for name, count in counts.items() if name not in others}


def keys_left(server: Server) -> set[str]:
    with server.client() as client:
        return {key.decode().removeprefix("{jobkit}:") for key in client.keys("*")}


def test_a_job_under_no_limit_costs_the_commands_it_always_did(
    adapter: RedisAdapter, worker: str, server: Server
) -> None:
    def life() -> None:
        """It comes back, is given back and done."""
        adapter.enqueue([payload()])
        (held,) = claim(adapter, worker, limit=1)
        adapter.settle([Requeue(held, held.payload, State.ENQUEUED)])
        (held,) = claim(adapter, worker, limit=1)
        adapter.settle([Release(held)])
        adapter.settle([Ack(claim(adapter, worker, limit=1)[0])])

    with server.client() as client:
        life()  # the server learns the scripts
        adapter._store.here.woken.clear()
        client.config_resetstat()
        life()
        counted = calls(client)
    assert counted == {
        "evalsha": 7,
        "exists": 3,
        "hdel": 3,
        "hrandfield": 1,  # whether anybody waits
        "hexists": 3,
        "hget": 2,
        "hlen": 3,
        "hset": 3,
        "incrby": 2,
        "lpush": 2,
        "rpop": 3,
        "rpush": 1,
        "sadd": 3,
        "smembers": 3,
    }


@pytest.mark.behaviour("H6")
def test_releasing_many_at_once_frees_no_more_places_than_they_had_on_redis(
    adapter: RedisAdapter, worker: str
) -> None:
    adapter.enqueue([payload(limits=[{"key": "k", "to": 3}]) for _ in range(9)])
    held = claim(adapter, worker)
    assert len(held) == 3
    adapter.settle([*map(Release, held), *map(Ack, held), *map(Release, held)])
    assert len(adapter.settle([*map(Release, held)])) == len(held)
    assert len(claim(adapter, worker)) == 3
    assert claim(adapter, worker) == []


def test_a_backlog_of_ten_thousand_is_met_once_in_small_steps(
    adapter: RedisAdapter, worker: str, server: Server
) -> None:
    jobs = many(adapter, 10_000)
    (held,) = claim(adapter, worker, limit=20)
    with server.client() as client:
        client.config_resetstat()
        assert claim(adapter, worker, limit=20) == []
        steps = calls(client)["evalsha"]
        assert steps > 10  # nobody waits for all of it
        said = {"evalsha": 1}
        while "evalsha" in said:  # a bell that rings late has it claim once more without looking
            client.config_resetstat()
            assert claim(adapter, worker) == []
            said = calls(client)
        assert said == {"exists": 1}
        assert adapter.stats().blocked == 9_999
        client.config_resetstat()
        adapter.settle([Ack(held)])
        assert sum(calls(client).values()) < 40
    assert adapter.stats().enqueued == 1
    assert ids(claim(adapter, worker)) == [jobs[1].id]


def test_a_limit_that_nobody_uses_leaves_no_key(
    adapter: RedisAdapter, worker: str, server: Server, clock: ManualClock
) -> None:
    for n in range(3):
        limited(adapter, {"key": str(n), "to": 1}, RATE)
    while claims := claim(adapter, worker):
        adapter.settle([Ack(each) for each in claims])
        clock.advance(60)
        adapter.maintain(limit=100)
    adapter.maintain(limit=100)
    assert {key for key in keys_left(server) if "limit" in key or "blocked" in key} == set()


def lose(server: Server, held: Claim) -> None:
    """End the claim behind the back of the scripts, as the tail that a failover loses does."""
    with server.client() as client:
        client.delete("{jobkit}:worker:claimed")
        del held


def test_a_place_without_its_claim_does_not_count(
    adapter: RedisAdapter, worker: str, server: Server
) -> None:
    first, second = many(adapter, 2)
    (held,) = claim(adapter, worker, limit=1)
    assert held.payload.id == first.id
    lose(server, held)
    assert ids(claim(adapter, worker)) == [second.id]


def test_upkeep_finds_those_who_were_forgotten(
    adapter: RedisAdapter, worker: str, server: Server, clock: ManualClock
) -> None:
    _, second = many(adapter, 2)
    (held,) = claim(adapter, worker)
    lose(server, held)
    clock.advance(6)
    adapter.maintain(limit=100)
    assert ids(claim(adapter, worker)) == [second.id]


def test_one_that_was_called_and_is_taken_by_others_keeps_nobody_waiting(
    adapter: RedisAdapter, worker: str, server: Server, clock: ManualClock
) -> None:
    _, _, third = many(adapter, 3)
    (held,) = claim(adapter, worker)
    adapter.settle([Ack(held)])
    with server.client() as client:
        client.delete("{jobkit}:priority:default")
    clock.advance(6)
    adapter.maintain(limit=100)
    assert ids(claim(adapter, worker)) == [third.id]


def test_a_cleared_queue_keeps_nobody_waiting(adapter: RedisAdapter, worker: str) -> None:
    _, _, third = many(adapter, 3)
    (held,) = claim(adapter, worker)
    adapter.settle([Ack(held)])
    assert adapter.clear("default") == 1  # the one that was called
    assert ids(claim(adapter, worker)) == [third.id]
    assert adapter.limits() == [LimitInfo("k", 1, None, 1, 0)]


def test_what_was_called_stands_in_front_of_what_came_later_and_is_listed_so(
    adapter: RedisAdapter, worker: str
) -> None:
    _, second = many(adapter, 2)
    (held,) = claim(adapter, worker)
    later = payload()
    urgent, patient = payload(priority=-1), payload(priority=1)
    adapter.enqueue([patient, later, urgent])
    adapter.settle([Ack(held)])
    order = [urgent.id, second.id, later.id, patient.id]
    assert ids(adapter.jobs(State.ENQUEUED).items) == order
    first = adapter.jobs(State.ENQUEUED, limit=2)
    rest = adapter.jobs(State.ENQUEUED, limit=2, after=first.next)
    assert ids([*first.items, *rest.items]) == order
    assert ids(claim(adapter, worker)) == order


def test_a_blocked_job_is_run_by_hand_buried_and_replaced_where_it_lies(
    adapter: RedisAdapter, worker: str
) -> None:
    first, second, third, fourth = many(adapter, 4)
    (held,) = claim(adapter, worker)
    assert held.payload.id == first.id
    (job,) = adapter.find([third.id])
    assert adapter.move([Move(job, job.payload, State.ENQUEUED)]) == 1
    assert claim(adapter, worker) == []  # by hand or not: there is no place
    assert adapter.stats().blocked == 3
    (job,) = adapter.find([second.id])
    assert adapter.move([Move(job, job.payload, State.DEAD)]) == 1
    assert adapter.limits() == [LimitInfo("k", 1, None, 1, 2)]
    adapter.settle([Bury(held, held.payload)])
    assert ids(claim(adapter, worker)) == [fourth.id]  # `third` was enqueued anew


def test_a_rate_goes_on_as_soon_as_it_may(
    adapter: RedisAdapter, worker: str, clock: ManualClock
) -> None:
    """One a second, each job longer than that: who waits is not left to the slow look."""
    for _ in range(4):
        limited(adapter, {"key": "k", "to": 1, "per": 1.0})
    started = claim(adapter, worker)
    for _ in range(3):
        due = adapter.maintain(limit=100).due_in
        assert due is not None
        clock.advance(due + 0.001)
        adapter.maintain(limit=100)
        started += claim(adapter, worker)
    assert len(started) == 4


def test_what_is_to_be_discarded_is_known_when_the_answer_was_lost(
    adapter: RedisAdapter, worker: str
) -> None:
    drop = {**ONE, "discard": True}
    for _ in range(2):
        limited(adapter, drop, {"key": "other", "to": 9})
    told = [each.full for each in claim(adapter, worker)]
    held = adapter.held(worker)
    assert told == [None, "k"]
    assert held is not None
    assert [each.full for each in held] == told


@pytest.mark.parametrize(
    "nonsense",
    [7, {"key": "k"}, [7], [{"key": 7, "to": 1}], [{"key": "k", "to": 0}], [{"key": "k"}]],
)
def test_what_makes_no_sense_as_a_limit_is_none(
    adapter: RedisAdapter, worker: str, nonsense: object
) -> None:
    adapter.enqueue([payload(limits=nonsense) for _ in range(2)])
    held = claim(adapter, worker)
    assert len(held) == 2
    assert adapter.settle([Ack(each) for each in held]) == []


def test_a_key_may_be_any_text(adapter: RedisAdapter, worker: str) -> None:
    for key in ("a:b", "a", "ä\U0001f600", "a 1 2", "%d"):
        for _ in range(2):
            limited(adapter, {"key": key, "to": 1}, queue="q:1")
    held = claim(adapter, worker, "q:1")
    assert len(held) == 5
    told = [(each.key, each.used, each.blocked) for each in adapter.limits()]
    assert told == [(key, 1, 1) for key in sorted(("a:b", "a", "ä\U0001f600", "a 1 2", "%d"))]
    adapter.settle([Ack(each) for each in held])
    assert len(claim(adapter, worker, "q:1")) == 5
