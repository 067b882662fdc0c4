from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from jobkit_redis import RedisAdapter
from jobkit_redis.listener import Listener
from tests.servers.valkey import Server, running
from tests.unit.redis.offering import CLAIMED, OFFERS, QUEUE, LentOrNot


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def adapter(server: Server) -> Iterator[RedisAdapter]:
    with server.client() as client:
        client.flushall()
    with closing(RedisAdapter(server.url())) as adapter:
        adapter.beat("worker", lease=30, claims=[], register=True)
        yield adapter


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with server.client() as client:
        yield client


@pytest.fixture
def producer(adapter: RedisAdapter, server: Server) -> Iterator[RedisAdapter]:
    """Another client of the store that `adapter` has emptied."""
    del adapter
    with closing(RedisAdapter(server.url())) as producer:
        yield producer


@pytest.fixture
def listener(adapter: RedisAdapter) -> Listener:
    return adapter._store.here.listener


@pytest.fixture
def became(client: Any) -> Callable[[], LentOrNot]:
    """How many jobs wait, how many are lent to the worker, and how many offers stand."""
    return lambda: (client.llen(QUEUE), client.hlen(CLAIMED), client.hlen(OFFERS))
