"""Redis behind a network that breaks: answers lost, swallowed, late, connections reset."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TypeVar, cast

import pytest

from jobkit.adapter import Ack, Claim, Release, Settlement, State
from jobkit.errors import AdapterError, EnqueueUncertain
from jobkit_redis import RedisAdapter
from jobkit_redis.errors import Refused
from tests.faults.proxy import Proxy
from tests.faults.redis_store import job, until
from tests.servers.valkey import Server
from tests.soak import SOAK
from tests.timing import Queued

KILLED = 400 if SOAK else 100
"""Times that every connection is ended."""

JOBS = 20 * KILLED

TIMEOUT = 0.3
"""Of the hasty, in seconds."""

T = TypeVar("T")


def test_a_lost_answer_to_enqueue_is_uncertain_and_the_job_is_there_once(
    adapter: RedisAdapter, proxied: RedisAdapter, line: Proxy
) -> None:
    proxied.enqueue([job(queue="other")])
    payload = job()
    lost = line.drop_next_reply(payload.id.encode())
    with pytest.raises(EnqueueUncertain) as error:
        proxied.enqueue([payload])
    assert lost.wait(5)
    assert error.value.job_id == payload.id
    assert adapter.claim(["default"], limit=10, worker="worker")[0].payload == payload
    assert adapter.stats().enqueued == 1


def test_with_an_idempotency_key_the_call_is_repeated_without_doubling(
    adapter: RedisAdapter, proxied: RedisAdapter, line: Proxy
) -> None:
    payload = job(jid=uuid.uuid5(uuid.NAMESPACE_DNS, "order-17").hex)
    line.drop_next_reply(payload.id.encode())
    with pytest.raises(EnqueueUncertain):
        proxied.enqueue([payload])
    proxied.enqueue([payload, job()])
    proxied.enqueue([payload])
    assert adapter.stats().enqueued == 2


def test_a_lost_answer_to_claim_is_found_by_asking_what_is_held(
    adapter: RedisAdapter, proxied: RedisAdapter, line: Proxy
) -> None:
    adapter.enqueue([job() for _ in range(3)])
    line.drop_next_reply(b"default")
    with pytest.raises(AdapterError):
        proxied.claim(["default"], limit=2, worker="proxied")
    held = proxied.held("proxied")
    assert len(held) == 2
    assert proxied.settle([Ack(claim) for claim in held]) == []
    assert (adapter.stats().enqueued, adapter.stats().running) == (1, 0)


def test_a_lost_answer_to_settle_may_be_asked_again_and_counts_once(
    adapter: RedisAdapter, proxied: RedisAdapter, line: Proxy
) -> None:
    adapter.enqueue([job() for _ in range(2)])
    claims = proxied.claim(["default"], limit=2, worker="proxied")
    batch: list[Settlement] = [Ack(claims[0]), Release(claims[1])]
    line.drop_next_reply(b"proxied:claimed")
    with pytest.raises(AdapterError):
        proxied.settle(batch)
    assert proxied.settle(batch) == claims
    stats = adapter.stats()
    assert (stats.processed, stats.enqueued, stats.running) == (1, 1, 0)


def test_a_lost_answer_to_recover_is_found_with_the_heir(
    adapter: RedisAdapter, proxied: RedisAdapter, line: Proxy
) -> None:
    adapter.enqueue([job() for _ in range(2)])
    adapter.claim(["default"], limit=2, worker="worker")
    line.drop_next_reply(b"worker:claimed")
    with pytest.raises(AdapterError):
        proxied.recover("worker", to="proxied")
    assert proxied.recover("worker", to="proxied") == []
    assert len(proxied.held("proxied")) == 2


def test_who_cannot_connect_is_told_that_nothing_was_stored(
    proxied: RedisAdapter, line: Proxy, adapter: RedisAdapter
) -> None:
    proxied.close()
    line.refuse()
    with pytest.raises(Refused):
        proxied.enqueue([job()])
    line.heal()
    proxied.enqueue([job()])
    assert adapter.stats().enqueued == 1


@pytest.fixture
def hasty(line: Proxy) -> Iterator[RedisAdapter]:
    """An adapter that waits for no answer for long; connected."""
    host, port = cast("tuple[str, int]", line.address)
    times = f"socket_timeout={TIMEOUT}&socket_connect_timeout={TIMEOUT}"
    with closing(RedisAdapter(f"redis://{host}:{port}?{times}")) as adapter:
        until(lambda: _works(adapter))
        yield adapter


@pytest.mark.parametrize(
    "verb", ["enqueue", "claim", "settle", "beat", "maintain", "stats", "wait", "held"]
)
def test_in_a_black_hole_every_verb_ends_in_time(
    adapter: RedisAdapter, hasty: RedisAdapter, line: Proxy, verb: str
) -> None:
    adapter.enqueue([job()])
    (claim,) = adapter.claim(["default"], limit=1, worker="worker")
    calls: dict[str, Callable[[], object]] = {
        "enqueue": lambda: hasty.enqueue([job()]),
        "claim": lambda: hasty.claim(["default"], limit=1, worker="worker"),
        "settle": lambda: hasty.settle([Ack(claim)]),
        "beat": lambda: hasty.beat("worker", lease=30, claims=[claim]),
        "maintain": lambda: hasty.maintain(limit=10),
        "stats": hasty.stats,
        "wait": lambda: hasty.wait(["default"], 0.2),
        "held": lambda: hasty.held("worker"),
    }
    line.black_hole()
    with Queued([os.getpid()]) as queued:
        began = time.monotonic()
        with pytest.raises((AdapterError, EnqueueUncertain)):
            calls[verb]()
        took = time.monotonic() - began
    assert took - queued.seconds < 10 * TIMEOUT
    line.heal()
    until(lambda: _works(hasty))


def test_a_connection_that_was_reset_while_idle_harms_nobody(
    proxied: RedisAdapter, line: Proxy
) -> None:
    proxied.enqueue([job()])
    line.cut()
    proxied.enqueue([job()])
    assert proxied.stats().enqueued == 2


def test_a_waiter_whose_connection_was_cut_is_woken_again(
    adapter: RedisAdapter, proxied: RedisAdapter, line: Proxy
) -> None:
    proxied.wait(["default"], 0.05)
    line.cut()
    woken = threading.Event()

    def wait() -> None:
        while not proxied.claim(["default"], limit=1, worker="proxied"):
            proxied.wait(["default"], 0.25)
        woken.set()

    time.sleep(0.1)
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    adapter.enqueue([job()])
    assert woken.wait(30)
    thread.join()


@pytest.mark.timeout(600)
def test_killed_connections_under_load_lose_no_job_and_double_none(
    adapter: RedisAdapter, server: Server
) -> None:
    adapter.enqueue([job(args=[number]) for number in range(JOBS)])
    done: list[str] = []
    stop = threading.Event()

    def work(name: str) -> None:
        _asked_again(lambda: adapter.beat(name, lease=30, claims=[], register=True))
        while not stop.is_set():
            try:
                claims = adapter.claim(["default"], limit=7, worker=name)
            except AdapterError:
                claims = _asked_again(lambda: adapter.held(name))
            finish(claims)

    def finish(claims: list[Claim]) -> None:
        done.extend(claim.payload.id for claim in claims)
        _asked_again(lambda: adapter.settle([Ack(claim) for claim in claims]))

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    with server.client() as client:
        for _ in range(KILLED):
            client.client_kill_filter(_type="normal", skipme=True)
            time.sleep(0.005)
    until(lambda: len(done) >= JOBS, 40 * JOBS / 2_000)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(done) == len(set(done)) == JOBS
    stats = adapter.stats()
    assert (stats.processed, stats.enqueued, stats.running) == (JOBS, 0, 0)


def _asked_again(call: Callable[[], T]) -> T:
    while True:
        try:
            return call()
        except AdapterError:
            time.sleep(0.005)


def _works(adapter: RedisAdapter) -> bool:
    try:
        adapter.jobs(State.DEAD)
    except AdapterError:
        return False
    return True
