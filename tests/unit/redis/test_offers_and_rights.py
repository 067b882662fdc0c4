"""Offers and those who may not do all: jobs are stored as far as it may be, and told of if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import jobkit_redis.store
from jobkit.errors import AdapterError
from jobkit_redis import RedisAdapter
from jobkit_redis.listener import Listener
from tests.servers.valkey import Server
from tests.unit.redis.offering import LENT, OFFERS, PUSHED, QUEUE, LentOrNot, job, offer


@pytest.fixture
def limited(client: Any, server: Server) -> Iterator[Callable[..., RedisAdapter]]:
    """Makes a client of the store with these rights."""
    opened: list[RedisAdapter] = []

    def make(*rights: str) -> RedisAdapter:
        client.execute_command("ACL", "SETUSER", "limited", "reset", "on", "nopass", *rights)
        url = server.url().replace("unix://", "unix://limited:any@")
        opened.append(RedisAdapter(url))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
    client.acl_deluser("limited")


@pytest.mark.parametrize(
    "rights",
    [
        ["~{jobkit}:queue*", "&*", "+@all"],
        ["~*", "&*", "+@all", "-@scripting"],
        ["~*", "&*", "+@all", "-@pubsub"],
        ["~*", "&*", "+@all", "-hdel"],
        ["~*", "&*", "+@all", "-hrandfield"],
    ],
    ids=["queue-keys-only", "no-scripts", "no-pubsub", "no-hdel", "no-hrandfield"],
)
def test_who_may_push_stores_all_the_same(
    adapter: RedisAdapter,
    limited: Callable[..., RedisAdapter],
    became: Callable[[], LentOrNot],
    rights: list[str],
) -> None:
    offer(adapter)
    limited(*rights).enqueue([job()])
    assert became() == PUSHED


def test_who_may_run_no_scripts_tries_it_once(
    adapter: RedisAdapter,
    limited: Callable[..., RedisAdapter],
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(adapter)
    monkeypatch.setattr(jobkit_redis.store, "WINDOW", 0)
    producer = limited("~*", "&*", "+@all", "-@scripting")
    client.config_resetstat()
    for _ in range(3):
        producer.enqueue([job()])
    assert client.llen(QUEUE) == 3
    assert client.info("commandstats")["cmdstat_evalsha"]["rejected_calls"] == 1


@pytest.mark.usefixtures("adapter")
def test_who_may_not_push_is_told_so(limited: Callable[..., RedisAdapter], client: Any) -> None:
    with pytest.raises(AdapterError, match="lpush"):
        limited("~*", "&*", "+@all", "-lpush").enqueue([job()])
    assert not client.exists(QUEUE)


def test_jobs_are_lent_again_when_there_is_memory_again(
    adapter: RedisAdapter,
    producer: RedisAdapter,
    client: Any,
    became: Callable[[], LentOrNot],
) -> None:
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(AdapterError, match="maxmemory"):
            producer.enqueue([job()])
    finally:
        client.config_set("maxmemory", 0)
    offer(adapter)
    producer.enqueue([job()])
    assert became() == LENT


def test_an_offer_that_is_refused_does_not_stand(
    adapter: RedisAdapter, client: Any, listener: Listener
) -> None:
    offer(adapter)
    assert adapter.withdraw("worker") == []
    client.set(OFFERS, "text")
    for _ in range(3):
        assert adapter.offer(["default"], 0.01, worker="worker") == []
    assert adapter._take._offers.of("worker") is None
    assert listener._letters == {}
