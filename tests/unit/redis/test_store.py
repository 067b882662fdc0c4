"""What only Redis does: scripts, cursors, dates, silence, wake-ups, start-up checks."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.adapter import Ack, Presence, State
from jobkit.alike import Alike
from jobkit.capabilities import JobFilter
from jobkit.errors import AdapterError, EnqueueUncertain, LeaseLost
from jobkit.payload import Payload, new_id
from jobkit.testing import ManualClock
from jobkit_redis import RedisAdapter
from jobkit_redis.checks import advice, problems
from jobkit_redis.cursors import boundary
from jobkit_redis.scripts import script
from tests.servers.valkey import Server
from tests.timing import Queued

NAMES = [f"q{nth}" for nth in range(100)]


def job(**fields: Any) -> Payload:
    now = time.time()
    usual = {"class": "app.Job", "args": [], "jid": new_id(), "queue": "default"}
    return Payload.of({**usual, "created_at": now, "enqueued_at": now, **fields})


def commands(server: Server) -> int:
    with server.client() as client:
        told: dict[str, Any] = client.info("stats")
        return int(told["total_commands_processed"])


def test_plain_jobs_are_stored_by_one_command_that_takes_all_or_none(
    adapter: RedisAdapter, server: Server
) -> None:
    key = "{jobkit}:queue:default"
    with server.client() as client:
        client.config_resetstat()
        adapter.enqueue([job() for _ in range(3_000)])
        told = client.info("commandstats")
        assert (told["cmdstat_lpush"]["calls"], "cmdstat_evalsha" in told) == (1, False)
        assert client.llen(key) == 3_000
        client.set(key, "no list")
    with pytest.raises(AdapterError, match="WRONGTYPE"):
        adapter.enqueue([job(), job()])


@pytest.mark.parametrize("fields", [{}, {"priority": 7}, {"scheduled_at": 4e9}])
def test_jobs_that_are_alike_are_stored_as_others_are(
    adapter: RedisAdapter, server: Server, fields: dict[str, Any]
) -> None:
    jobs = [job(queue="low", args=[nth], **fields) for nth in range(300)]
    stored = []
    for payloads in (jobs, Alike([each.id for each in jobs], [each.text for each in jobs])):
        adapter.enqueue(payloads)
        state = State.SCHEDULED if "scheduled_at" in fields else State.ENQUEUED
        stored.append([each.payload for each in adapter.jobs(state, limit=1_000).items])
        with server.client() as client:
            client.flushdb()
    assert stored == [stored[0], stored[0]]
    assert {*stored[0]} == {*jobs}


def test_a_job_that_lies_in_its_queue_is_stored_whatever_is_said_of_the_queues_name(
    adapter: RedisAdapter, server: Server
) -> None:
    with server.client() as client:
        client.set("{jobkit}:queues", "no set")
        adapter.enqueue([job()])
        assert client.llen("{jobkit}:queue:default") == 1


def test_every_script_is_packaged_and_understood_by_the_server(server: Server) -> None:
    names = [file.name for file in files("jobkit_redis").joinpath("lua").iterdir()]
    with server.client() as client:
        for name in names:
            if name.endswith(".lua"):
                made = script(name.removesuffix(".lua"))
                told = client.script_load(made.source)
                assert (told if isinstance(told, str) else told.decode()) == made.digest


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_a_boundary_separates_two_members(one: bytes, other: bytes) -> None:
    low, high = sorted([one, other])
    if low == high:
        return
    assert low < boundary(low, high, up=True) <= high
    assert low < boundary(high, low, up=False) <= high


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 31)))  # noqa: DTZ001 - made UTC below
def test_the_servers_days_are_those_of_the_calendar(server: Server, moment: datetime) -> None:
    source = script("settle").source.partition("-- include")[0]
    seconds = moment.replace(tzinfo=UTC).timestamp()
    with server.client() as client:
        told: Any = client.eval(f"{source}\nreturn day_of(ARGV[1])", 0, repr(seconds))
    assert told.decode() == moment.date().isoformat()


def test_pages_of_a_queue_skip_nothing_while_it_is_worked_and_filled(
    adapter: RedisAdapter,
) -> None:
    jobs = [job() for _ in range(30)]
    adapter.enqueue(jobs)
    shown: list[str] = []
    after: str | None = None
    while True:
        where = JobFilter(queue="default")
        page = adapter.jobs(State.ENQUEUED, where=where, limit=4, after=after)
        shown += [each.payload.id for each in page.items]
        adapter.settle([Ack(c) for c in adapter.claim(["default"], limit=3, worker="worker")])
        adapter.enqueue([job(queue="default", note="later")])
        if page.next is None or len(shown) >= len(jobs):
            break
        after = page.next
    assert shown[: len(jobs)] == [each.id for each in jobs]


def test_a_cursor_is_short_however_large_the_jobs_are(adapter: RedisAdapter) -> None:
    due = time.time() + 60
    adapter.enqueue([job(args=["x" * 50_000], scheduled_at=due + nth) for nth in range(3)])
    page = adapter.jobs(State.SCHEDULED, limit=1)
    assert page.next is not None
    assert len(page.next) < 100


def test_an_idle_worker_is_silent_however_many_queues_it_serves(
    adapter: RedisAdapter, server: Server
) -> None:
    def turn() -> None:
        assert adapter.claim(NAMES, limit=10, worker="worker") == []
        adapter.wait(NAMES, 0.25)

    turn()
    turn()
    before, began = commands(server), time.monotonic()
    while time.monotonic() - began < 2:
        turn()
    assert (commands(server) - before) / (time.monotonic() - began) <= 12


def test_a_paused_queue_with_jobs_keeps_nobody_busy(adapter: RedisAdapter, server: Server) -> None:
    adapter.pause("default")
    adapter.enqueue([job()])
    adapter.claim(["default"], limit=1, worker="worker")
    before = commands(server)
    for _ in range(4):
        adapter.wait(["default"], 0.25)
        assert adapter.claim(["default"], limit=1, worker="worker") == []
    assert commands(server) - before < 100


def test_what_is_pushed_without_a_word_is_found_by_looking(
    adapter: RedisAdapter, server: Server
) -> None:
    pushed: list[float] = []

    def push_later() -> None:
        push(server, job())
        pushed.append(time.monotonic())

    timer = threading.Timer(0.1, push_later)
    timer.start()
    with Queued([os.getpid(), server.pid]) as queued:
        while not adapter.claim(["default"], limit=1, worker="worker"):
            adapter.wait(["default"], 0.25)
        found = time.monotonic()
    timer.join()
    assert found - pushed[0] - queued.seconds < 0.15 + 0.5


def push(server: Server, payload: Payload) -> None:
    with server.client() as client:
        client.lpush("{jobkit}:queue:default", payload.text)


def test_a_burst_is_one_wake_up(adapter: RedisAdapter, server: Server) -> None:
    with server.client() as client:
        listener = client.pubsub()
        listener.subscribe("{jobkit}:wake:0")
        while listener.get_message(timeout=1) is None:
            pass  # until it is subscribed
        adapter.enqueue([job() for _ in range(500)])
        adapter.enqueue([job(queue="other")])
        heard: list[Any] = []
        while message := listener.get_message(timeout=20 if len(heard) < 2 else 0.2):
            heard.append(message["data"])
        listener.close()
    assert sorted(heard) == [b"default", b"other"]


def test_the_last_job_of_a_burst_waits_for_no_poll(adapter: RedisAdapter, server: Server) -> None:
    with closing(RedisAdapter(server.url())) as producer:
        soon = any(_after_a_wake(adapter, producer, server) < 0.06 for _ in range(20))
    assert soon, "it was found by a look that would have come anyway"


def _after_a_wake(adapter: RedisAdapter, producer: RedisAdapter, server: Server) -> float:
    """Seconds until a job is noticed that wakes nobody, as somebody was woken just before."""

    def claimed() -> int:
        return len(adapter.claim(["default"], limit=5, worker="worker"))

    while not claimed():
        adapter.wait(["default"], 0.05)
        producer.enqueue([job()])
    time.sleep(0.003)  # the wake-up is heard by now, and its window is not over
    while claimed():
        pass
    push(server, job())
    began = time.monotonic()
    adapter.wait(["default"], 10)
    took = time.monotonic() - began
    assert claimed() == 1
    return took


def test_wake_ups_do_not_pile_up_while_nobody_waits(adapter: RedisAdapter, server: Server) -> None:
    while adapter._store.here.listener._line is None:
        adapter.wait(["default"], 0.01)
    with server.client() as client:
        before = adapter._store.here.listener.heard((b"default",)).number
        for _ in range(1_000):
            client.publish("{jobkit}:wake:0", "default")
        # A socket takes some 280 messages; the others come as these are read, when the server can.
        for _ in range(1_000):
            adapter.maintain(limit=1)
            if adapter._store.here.listener.heard((b"default",)).number == before + 1_000:
                break
        else:
            pytest.fail("what came was not read")


def test_nobody_listens_once_a_worker_has_left(adapter: RedisAdapter) -> None:
    """The adapter stays open where a program goes on: nobody would read what comes."""
    listener = adapter._store.here.listener
    while listener._line is None:
        adapter.wait(["default"], 0.01)
    adapter.retire("worker")
    assert listener._line is None


def test_an_idle_worker_that_was_recovered_elsewhere_hears_of_it(
    adapter: RedisAdapter, server: Server
) -> None:
    assert adapter.claim(["default"], limit=1, worker="worker") == []
    with closing(RedisAdapter(server.url())) as other:
        other.beat("heir", lease=30, claims=[], register=True)
        other.recover("worker", to="heir")
        other.enqueue([job()])
    with pytest.raises(LeaseLost):
        adapter.claim(["default"], limit=1, worker="worker")


def test_too_few_replicas_leave_an_enqueue_uncertain(server: Server) -> None:
    url = server.url("wait_replicas=1", "socket_timeout=4")
    with closing(RedisAdapter(url)) as adapter:
        payload = job()
        with pytest.raises(EnqueueUncertain, match="0 of 1 replicas") as error:
            adapter.enqueue([payload])
    assert error.value.job_id == payload.id


def test_text_that_is_no_job_falls_due_into_the_dead_set(
    adapter: RedisAdapter, server: Server
) -> None:
    texts = [b'{"class":', b"\xff\xfe", b'{"queue":"\\ud800","class":"A"}']
    with server.client() as client:
        client.zadd("{jobkit}:schedule", dict.fromkeys(texts, 1.0))
        adapter.maintain(limit=10)
        assert sorted(client.zrange("{jobkit}:dead", 0, -1)) == sorted(texts)
        assert client.zcard("{jobkit}:schedule") == 0


def test_bytes_that_are_no_text_are_claimed_and_go_back_as_they_were(
    adapter: RedisAdapter, server: Server
) -> None:
    with server.client() as client:
        client.lpush("{jobkit}:queue:default", b"\xff\x00 no json")
        claims = adapter.claim(["default"], limit=1, worker="worker")
        assert adapter.retire("worker") == len(claims) == 1
        assert client.lrange("{jobkit}:queue:default", 0, -1) == [b"\xff\x00 no json"]


def test_a_job_without_an_id_is_found_by_what_the_list_calls_it(
    adapter: RedisAdapter, server: Server
) -> None:
    adapter.enqueue([job(jid=None), job(jid=None, priority=3), job(jid=None, scheduled_at=9e9)])
    with server.client() as client:
        client.zadd("{jobkit}:dead", {b"no job": 1.0})
    for state in (State.ENQUEUED, State.SCHEDULED, State.DEAD):
        for listed in adapter.jobs(state).items:
            assert listed.id
            assert adapter.find([listed.id]) == [listed]
            assert adapter.delete([listed]) == 1


def test_the_presence_outlives_a_long_lease(adapter: RedisAdapter, server: Server) -> None:
    told = Presence("host", 1, ("default",), 1, time.time())
    adapter.beat("slow", lease=900, claims=[], register=True, presence=told)
    with server.client() as client:
        assert client.ttl("{jobkit}:slow") > 900 / 6


def test_the_clock_decides_what_is_due(server: Server) -> None:
    clock = ManualClock()
    with closing(RedisAdapter(server.url("namespace=clock"), clock=clock)) as adapter:
        adapter.enqueue([job(scheduled_at=clock.time() + 10)])
        assert adapter.maintain(limit=1).due_in == pytest.approx(10)


def test_without_a_clock_the_servers_time_decides(adapter: RedisAdapter) -> None:
    adapter.enqueue([job(scheduled_at=time.time() + 100)])
    assert adapter.maintain(limit=1).due_in == pytest.approx(100, abs=20)


def test_an_old_server_and_one_that_evicts_are_problems() -> None:
    told = {"redis_version": "5.0.9", "maxmemory_policy": "allkeys-lru", "cluster_enabled": "1"}
    old, evicting, clustered = problems(told, namespace="")
    assert "6.2" in old
    assert "noeviction" in evicting
    assert "namespace" in clustered


def test_a_server_as_it_should_be_has_none(adapter: RedisAdapter) -> None:
    assert adapter.check() == []


def test_a_server_without_a_log_is_advised() -> None:
    assert len(advice({"aof_enabled": "0"})) == 1
    assert advice({"aof_enabled": "1"}) == []


def test_a_worker_that_starts_is_told(
    adapter: RedisAdapter, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    told = Presence("host", 1, ("default",), 1, time.time())
    with server.client() as client, caplog.at_level(logging.WARNING, "jobkit.redis"):
        client.config_set("maxmemory-policy", "allkeys-lru")
        adapter.beat("new", lease=30, claims=[], register=True, presence=told)
        client.config_set("maxmemory-policy", "noeviction")
    assert "noeviction" in caplog.text
    assert "appendonly" in caplog.text


def test_a_server_that_cannot_be_reached_is_a_problem() -> None:
    with closing(RedisAdapter("redis://127.0.0.1:1")) as adapter:
        (problem,) = adapter.check()
    assert "cannot be reached" in problem


def test_what_runs_is_shown_without_what_is_too_large(
    adapter: RedisAdapter, server: Server
) -> None:
    told = Presence("host", 1, ("default",), 5, time.time())
    adapter.beat("shown", lease=30, claims=[], register=True, presence=told)
    adapter.enqueue([job(), job(args=["x" * 100_000])])
    claims = adapter.claim(["default"], limit=2, worker="shown")
    adapter.beat("shown", lease=30, claims=claims, presence=told)
    with server.client() as client:
        (work,) = client.hvals("{jobkit}:shown:work")
        assert json.loads(work)["payload"] == claims[0].payload.text


def test_finding_a_job_asks_no_more_of_the_server_for_a_hundred_queues_that_are_empty(
    adapter: RedisAdapter, server: Server
) -> None:
    def cost() -> int:
        before = calls(server)
        assert [found.payload.id for found in adapter.find([wanted.id])] == [wanted.id]
        return calls(server) - before

    adapter.enqueue([wanted := job(queue="full")])
    cost()  # the server learns the scripts
    alone = cost()
    adapter.enqueue([job(queue=name) for name in NAMES])
    for name in NAMES:
        adapter.clear(name)
    assert cost() == alone


def calls(server: Server) -> int:
    """Scripts run since the server's start."""
    with server.client() as client:
        told: dict[str, Any] = client.info("commandstats")
        return int(told["cmdstat_evalsha"]["calls"])
