"""Real worker processes on real stores: a SQLite file, and private servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit_redis import RedisAdapter
from tests.integration.worker.site import Site, a_site_on_each_store
from tests.servers.postgres import Postgres
from tests.servers.valkey import Server, running


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each store in turn."""
    if request.param == "redis":
        server: Server = request.getfixturevalue("valkey")
        with server.client() as client:
            client.flushall()
        made = Site(tmp_path, server.url(), RedisAdapter)
    elif request.param == "postgres":
        database: Postgres = request.getfixturevalue("postgres")
        made = Site(tmp_path, database.emptied("workers"))
    else:
        made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def everywhere(tmp_path: Path, postgres: Postgres, valkey: Server) -> Iterator[list[Site]]:
    """A site on each store."""
    with valkey.client() as client:
        client.flushall()
    with a_site_on_each_store(tmp_path, postgres.emptied("workers"), valkey.url()) as sites:
        yield sites
