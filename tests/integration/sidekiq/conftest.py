"""A store whose keys are bare, as Sidekiq has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server, running


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("sidekiq")
    with running(folder) as server:
        yield server


@pytest.fixture
def adapter(server: Server) -> Iterator[RedisAdapter]:
    with server.client() as client:
        client.flushall()
    with closing(RedisAdapter(server.url("namespace="))) as adapter:
        yield adapter
