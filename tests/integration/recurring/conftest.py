"""A folder with an application for each test, on each store that keeps recurring entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit_redis import RedisAdapter
from tests.integration.worker.site import Site
from tests.servers.valkey import running


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture(params=["sqlite", "redis"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each store in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("site")
        return
    with running(tmp_path / "valkey") as server:
        site = Site(tmp_path, server.url(), RedisAdapter)
        yield site
        site.close()
