from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

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
