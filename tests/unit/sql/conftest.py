from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import register


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def connect(url: str, clock: ManualClock) -> Iterator[Callable[[], SqlAdapter]]:
    """Makes an adapter with connections of its own on the same file."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(SqlAdapter(url, clock=clock)))


@pytest.fixture
def adapter(connect: Callable[[], SqlAdapter]) -> SqlAdapter:
    return connect()


@pytest.fixture
def worker(adapter: SqlAdapter) -> str:
    return register(adapter, "worker")


@pytest.fixture
def raw(adapter: SqlAdapter, file: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else to the file, its tables made already."""
    adapter.migrate()
    connection = sqlite3.connect(file, isolation_level=None, timeout=0)
    with closing(connection):
        yield connection
