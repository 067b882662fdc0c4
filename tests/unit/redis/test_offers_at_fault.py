"""Offers where something is amiss: rights, words, nodes, memory; every job is stored, and once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import jobkit_redis.store
from jobkit.errors import AdapterError
from jobkit_redis import RedisAdapter
from jobkit_redis.listener import Listener
from jobkit_redis.scripts import script
from jobkit_redis.server import Server as Followed
from jobkit_redis.url import Location
from tests.servers.valkey import Server, free_port, running
from tests.unit.redis.offering import (
    CLAIMED,
    LENT,
    OFFERS,
    PUSHED,
    QUEUE,
    LentOrNot,
    job,
    lose_the_word,
    missed,
    offer,
    taken,
)
from tests.unit.worker.helpers import until


def has_come(adapter: RedisAdapter) -> None:
    """Return when the word of the job has come."""
    standing = adapter._take._offers.of("worker")
    assert standing is not None

    def came() -> bool:
        adapter.maintain(limit=1)  # which hears what came
        return standing.is_taken()

    until(came)


class TestClaims:
    """What a claim makes of an offer."""

    def test_one_that_has_work_ends_the_offer(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any
    ) -> None:
        offer(adapter)
        producer.enqueue([job(priority=3)])
        assert len(adapter.claim(["default"], limit=1, worker="worker")) == 1
        assert not client.exists(OFFERS)

    def test_one_returns_what_came_however_empty_the_queues_were(
        self, adapter: RedisAdapter, producer: RedisAdapter
    ) -> None:
        offer(adapter)
        assert adapter.claim(["default"], limit=1, worker="worker") == []
        offer(adapter)
        one = job()
        producer.enqueue([one])
        has_come(adapter)
        [claim] = adapter.claim(["default"], limit=1, worker="worker")
        assert claim.payload.id == one.id

    def test_one_that_misses_a_word_keeps_what_it_got_and_the_next_tells(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any
    ) -> None:
        offer(adapter)
        lost = lose_the_word(client, producer)
        rest = [job(), job()]
        producer.enqueue(rest)
        claims = adapter.claim(["default"], limit=10, worker="worker")
        assert [claim.payload.id for claim in claims] == [each.id for each in rest]
        assert missed(adapter, "claim")
        assert adapter.claim(["default"], limit=10, worker="worker") == []
        held = {claim.payload.id for claim in adapter.held("worker")}
        assert held == {lost.id, *(each.id for each in rest)}


class TestWords:
    """What is said to a worker."""

    def test_nothing_is_expected_any_more_once_it_came_or_cannot_come(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any, listener: Listener
    ) -> None:
        for _ in range(3):
            offer(adapter)
            producer.enqueue([job()])
            taken(adapter)
            offer(adapter)
            assert adapter.withdraw("worker") == []
        offer(adapter)
        lose_the_word(client, producer)
        until(lambda: missed(adapter, "withdraw"))
        assert listener._letters == {}

    def test_a_word_for_nobody_is_told_by_the_next_claim_alone(
        self, adapter: RedisAdapter, client: Any, listener: Listener
    ) -> None:
        """As when the store has an offer again that ended: what was lent for it is looked for."""
        offer(adapter)
        client.publish(listener.ear, "unknown:1:ab")

        def told() -> bool:
            adapter.maintain(limit=1)
            return missed(adapter, "claim")

        until(told)
        assert not missed(adapter, "claim")

    def test_what_is_forgotten_while_its_word_comes_brings_nothing(
        self, adapter: RedisAdapter, producer: RedisAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The heart learns that the worker is not registered, in between."""
        offer(adapter)
        producer.enqueue([job()])
        has_come(adapter)
        brought = adapter._take._offers.brought

        def after_it_was_forgotten(worker: str) -> object:
            adapter._take.forget(worker)
            return brought(worker)

        monkeypatch.setattr(adapter._take._offers, "brought", after_it_was_forgotten)
        assert adapter.offer(["default"], 0.01, worker="worker") == []
        assert len(adapter.held("worker")) == 1

    def test_one_that_got_lost_makes_the_listener_connect_anew(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any, listener: Listener
    ) -> None:
        offer(adapter)
        before = listener._line
        lose_the_word(client, producer)
        until(lambda: missed(adapter, "withdraw"))
        until(lambda: offer(adapter) == [] and listener._line is not before)

    def test_a_worker_is_told_in_vain_what_somebody_hears_who_hears_all(
        self,
        adapter: RedisAdapter,
        producer: RedisAdapter,
        client: Any,
        listener: Listener,
        became: Callable[[], LentOrNot],
    ) -> None:
        offer(adapter)
        listener.close()
        until(lambda: not client.pubsub_channels("{jobkit}:wake:0:*"))
        monitor = client.pubsub()
        monitor.psubscribe("*")
        assert monitor.get_message(timeout=20)
        producer.enqueue([job()])
        assert became() == PUSHED
        monitor.close()

    def test_nothing_is_lent_to_one_who_hears_of_it_by_another_server(self, tmp_path: Path) -> None:
        """As at another node of a cluster: he would not be counted, and hears it all the same."""
        with (
            running(tmp_path / "primary", tcp=True) as primary,
            running(tmp_path / "replica") as replica,
            primary.client() as client,
            replica.client() as copy,
            closing(RedisAdapter(primary.url())) as adapter,
        ):
            client.config_set("repl-diskless-sync-delay", 0)
            copy.replicaof(*map(str, primary.address))
            listener = adapter._store.here.listener
            listener._server = Followed(Location.of(replica.url("protocol=2")))
            adapter.beat("worker", lease=30, claims=[], register=True)
            until(lambda: copy.info("replication")["master_link_status"] == "up")
            offer(adapter)
            standing = adapter._take._offers.of("worker")
            assert copy.pubsub_channels("{jobkit}:wake:0:*") == [listener.ear.encode()]
            adapter.enqueue([job()])
            assert (client.llen(QUEUE), client.hlen(CLAIMED), client.hlen(OFFERS)) == PUSHED
            assert standing is not None

            def woken() -> bool:
                adapter.maintain(limit=1)
                return listener.heard((b"default",)).number > 1

            until(woken)
            assert not standing.is_taken()
            assert not listener.missed()

    def test_a_long_one_is_not_said(
        self, adapter: RedisAdapter, producer: RedisAdapter, became: Callable[[], LentOrNot]
    ) -> None:
        """The server hangs up on those who do not read so much at once."""
        offer(adapter)
        producer.enqueue([job(word="x" * 60_000)])
        assert became() == LENT
        taken(adapter)
        offer(adapter)
        producer.enqueue([job(word="x" * 70_000)])
        queued, _, offers = became()
        assert (queued, offers) == (1, 1)


class TestEnqueueing:
    """What becomes of jobs that are lent to nobody."""

    def test_whoever_waits_is_woken_by_one(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any
    ) -> None:
        with client.pubsub() as others:
            others.subscribe(adapter._store.keys.channel)
            assert others.get_message(timeout=20)
            producer.enqueue([job()])
            assert others.get_message(timeout=20)["data"] == b"default"

    def test_those_that_follow_at_once_are_pushed(
        self, producer: RedisAdapter, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobkit_redis.store, "WINDOW", 60)
        client.config_resetstat()
        for _ in range(3):
            producer.enqueue([job()])
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 1

    def test_what_another_thread_stores_meanwhile_is_lent_as_well(
        self, adapter: RedisAdapter, producer: RedisAdapter, server: Server, client: Any
    ) -> None:
        for worker in ("worker", "second"):
            adapter.beat(worker, lease=30, claims=[], register=True)
            offer(adapter, worker=worker)
        producer.stats()
        idle = producer._store.here.pool._idle
        with server.suspended():
            threads: list[threading.Thread] = []
            for _ in range(2):
                until(lambda: bool(idle) is not bool(threads))
                threads.append(threading.Thread(target=producer.enqueue, args=([job()],)))
                threads[-1].start()
            until(lambda: not idle)
        for each in threads:
            each.join()
        assert (client.llen(QUEUE), client.hlen(OFFERS)) == (0, 0)

    def test_its_queue_is_known_whether_it_is_lent_or_not(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any
    ) -> None:
        producer.enqueue([job(queue="pushed")])
        offer(adapter, "lent")
        producer.enqueue([job(queue="lent")])
        assert client.hlen(CLAIMED) == 1
        assert client.smembers("{jobkit}:queues") == {b"pushed", b"lent"}

    def test_a_server_that_forgot_the_script_learns_it(
        self, adapter: RedisAdapter, producer: RedisAdapter, client: Any
    ) -> None:
        offer(adapter)
        client.script_flush()
        one = job()
        producer.enqueue([one])
        assert taken(adapter) == [one.id]
        assert client.smembers("{jobkit}:queues") == {b"default"}

    def test_it_learns_it_between_what_stands_before_and_behind(
        self, producer: RedisAdapter, client: Any
    ) -> None:
        """As with `wait_replicas`: the answers are those of the script and of what is behind it."""
        pool, keys = producer._store.here.pool, producer._store.keys
        for flushed in (True, False):
            if flushed:
                client.script_flush()
            answers = pool.run(
                script("ready"),
                [keys.paused, keys.listed("q"), keys.ranked("q")],
                ["q"],
                ("ECHO", "behind"),
                before=("SADD", keys.queues, f"flushed {flushed}"),
            )
            assert answers[1:] == [b"behind"]
            assert client.sismember("{jobkit}:queues", f"flushed {flushed}")

    def test_one_that_forgot_the_script_and_is_a_replica_now_is_left(
        self, adapter: RedisAdapter, client: Any
    ) -> None:
        """It is the answer behind the script that says whether another server is to be asked."""
        adapter.stats()
        client.script_flush()
        client.replicaof("127.0.0.1", free_port())
        try:
            with pytest.raises(AdapterError, match="read only replica"):
                adapter.enqueue([job()])
        finally:
            client.replicaof("NO", "ONE")
        assert adapter._store.here.pool._idle == []
        adapter.enqueue([job()])
        assert client.llen(QUEUE) == 1

    def test_the_offers_of_those_who_are_not_registered_are_cleaned_up(
        self, producer: RedisAdapter, client: Any
    ) -> None:
        producer.beat("alive", lease=30, claims=[], register=True)
        for worker in ("dead", "alive"):
            client.hset(OFFERS, worker, "nowhere\ntoken\n9e9\ndefault\n")
        producer.enqueue([job()])
        assert client.hkeys(OFFERS) == [b"alive"]
        assert client.llen(QUEUE) == 1
