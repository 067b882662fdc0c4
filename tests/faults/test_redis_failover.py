"""A replica takes over that had not heard the last of its primary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from jobkit.adapter import Ack
from jobkit.capabilities import StoredEntry
from jobkit.errors import EnqueueUncertain
from jobkit.payload import Payload
from jobkit_redis import RedisAdapter
from jobkit_redis.errors import Refused
from tests.faults.proxy import Proxy
from tests.faults.redis_store import job, until
from tests.servers.valkey import Server, running


class Pair:
    """A primary with a replica, and the line between them."""

    def __init__(self, primary: Server, replica: Server, line: Proxy) -> None:
        self.primary, self.replica, self.line = primary, replica, line
        host, port = cast("tuple[str, int]", line.address)
        with primary.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)
        with replica.client() as client:
            client.replicaof(host, port)
        until(self._heard)

    def _heard(self) -> bool:
        """Whether the replica confirms what is written: only a second after its copy, at times."""
        with self.primary.client() as client:
            client.set("heard", "?")
            client.delete("heard")
            return bool(client.wait(1, 100) == 1)

    def level(self) -> bool:
        """Whether the replica has all that the primary has."""
        primary, replica = _replication(self.primary), _replication(self.replica)
        linked = replica.get("master_link_status") == "up"
        offset = replica.get("slave_repl_offset")
        return linked and offset == primary["master_repl_offset"]

    def cut(self) -> None:
        """From here on the replica hears nothing."""
        until(self.level)
        self.line.refuse()

    def fail_over(self) -> RedisAdapter:
        """The primary is gone; the replica takes over as it is."""
        self.primary.kill()
        with self.replica.client() as client:
            client.replicaof("NO", "ONE")
        return RedisAdapter(self.replica.url())


def _replication(server: Server) -> dict[str, Any]:
    with server.client() as client:
        told: dict[str, Any] = client.info("replication")
    return told


@pytest.fixture
def pair(server: Server, tmp_path: Path) -> Iterator[Pair]:
    with running(tmp_path / "replica", tcp=True) as replica, Proxy(server.address) as line:
        yield Pair(server, replica, line)


def test_what_the_replica_had_heard_is_there_and_runs_again_at_most(
    pair: Pair, adapter: RedisAdapter
) -> None:
    adapter.enqueue(heard := [job(args=[number]) for number in range(30)])
    done = adapter.claim(["default"], limit=10, worker="worker")
    adapter.settle([Ack(claim) for claim in done])
    pair.cut()
    adapter.enqueue([job() for _ in range(5)])
    held = adapter.claim(["default"], limit=10, worker="worker")
    adapter.settle([Ack(claim) for claim in held[:5]])

    with closing(pair.fail_over()) as store:
        assert store.settle([Ack(claim) for claim in held[5:]]) == held[5:]
        store.beat("worker", lease=30, claims=[], register=True)
        again = store.claim(["default"], limit=100, worker="worker")
        left = [each.id for each in heard[10:]]
        assert [claim.payload.id for claim in again] == left
        assert not {claim.receipt for claim in again} & {claim.receipt for claim in held}
        assert store.settle([Ack(claim) for claim in again]) == []
        assert store.stats().processed == len(heard)


def test_with_wait_replicas_nothing_that_was_promised_is_lost(pair: Pair) -> None:
    url = f"{pair.primary.url()}wait_replicas=1"
    promised, uncertain = [], []
    with closing(RedisAdapter(f"{url}&socket_timeout=30")) as producer:
        for payload in [job() for _ in range(15)]:
            producer.enqueue([payload])
            promised.append(payload.id)
    pair.cut()
    with closing(RedisAdapter(f"{url}&socket_timeout=0.4")) as producer:
        for payload in [job() for _ in range(5)]:
            with pytest.raises(EnqueueUncertain) as error:
                until(partial(_sent, producer, payload))
            uncertain.append(error.value.job_id)
    with closing(pair.fail_over()) as store:
        store.beat("worker", lease=30, claims=[], register=True)
        there = {claim.payload.id for claim in store.claim(["default"], limit=99, worker="worker")}
    assert set(promised) <= there <= {*promised, *uncertain}


def _sent(producer: RedisAdapter, payload: Payload) -> bool:
    try:
        producer.enqueue([payload])
    except Refused:
        return False  # not even connected in so short a time
    return True


def test_a_tick_the_replica_had_not_heard_of_is_enqueued_again_with_the_same_id(
    pair: Pair, adapter: RedisAdapter
) -> None:
    adapter.put_entry("nightly", "text", "")
    began = adapter.entries()[0]
    assert adapter.tick("nightly", began + 1, heard := job())
    pair.cut()
    assert adapter.tick("nightly", began + 2, unheard := job())
    with closing(pair.fail_over()) as store:
        assert store.entries()[1] == [
            StoredEntry("nightly", "text", "", began + 1, runs=((began + 1, heard.id),))
        ]
        assert not store.tick("nightly", began + 1, heard)
        assert store.tick("nightly", began + 2, unheard)
        assert store.stats().enqueued == 2
