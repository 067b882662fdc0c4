"""Adapters on a real server, a schema for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest

from jobkit_sql import SqlAdapter
from tests.servers.postgres import Postgres
from tests.unit.sql.support import register


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.emptied("here")


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], SqlAdapter]]:
    """Makes an adapter with connections of its own."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(SqlAdapter(url)))


@pytest.fixture
def adapter(connect: Callable[[], SqlAdapter]) -> SqlAdapter:
    return connect()


@pytest.fixture
def worker(adapter: SqlAdapter) -> str:
    return register(adapter, "worker")


@pytest.fixture
def other(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """A connection of somebody else, who sees jobkit's tables."""
    with closing(postgres.connect()) as connection:
        connection.execute("SET search_path TO here")
        yield connection
