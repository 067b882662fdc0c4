from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server, running


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
