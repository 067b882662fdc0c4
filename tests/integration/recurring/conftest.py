"""A folder with an application for each test, on each store that keeps recurring entries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobkit_redis import RedisAdapter
from tests.integration.worker.site import Site
from tests.servers.postgres import Postgres
from tests.servers.valkey import running


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each store in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("site")
        return
    with ExitStack() as stack:
        if request.param == "postgres":
            database: Postgres = request.getfixturevalue("postgres")
            site = Site(tmp_path, database.emptied("recurring"))
        else:
            server = stack.enter_context(running(tmp_path / "valkey"))
            site = Site(tmp_path, server.url(), RedisAdapter)
        yield site
        site.close()
