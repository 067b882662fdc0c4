"""Real servers, private to a process of the tests, started when the first test needs one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests that only need one: they take a schema each."""
    server = Postgres()
    server.start()
    yield server
    server.remove()
