"""The same tests on every SQL store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from jobkit import backends, events, middleware
from jobkit.events import Event
from jobkit_inline import MemoryAdapter
from jobkit_sql import SqlAdapter
from tests.integration.transactions.support import ELSEWHERE, Base, Database, notes


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    file = tmp_path / "app.db"
    url = f"sqlite:///{file}"
    engine, other = create_engine(url), create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    async_engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    for each in (engine, other):
        notes.metadata.create_all(each)
        Base.metadata.create_all(each)
    with closing(SqlAdapter(url)) as adapter:
        adapter.migrate()
        backends.install("default", adapter)
        yield Database(url, engine, async_engine, adapter, other)
        backends.uninstall("default")
    engine.dispose()
    other.dispose()
    async_engine.sync_engine.dispose()


@pytest.fixture(autouse=True)
def elsewhere() -> Iterator[MemoryAdapter]:
    """A backend that no transaction of a database can reach."""
    adapter = MemoryAdapter()
    backends.install(ELSEWHERE, adapter)
    yield adapter
    backends.uninstall(ELSEWHERE)


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    """Every event, in order."""
    heard: list[Event] = []
    events.subscribe(heard.append)
    yield heard
    events.unsubscribe(heard.append)


@pytest.fixture(autouse=True)
def _no_middleware() -> Iterator[None]:
    yield
    middleware.clear()
