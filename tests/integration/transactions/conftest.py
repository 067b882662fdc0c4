"""The same tests on every SQL store."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from jobkit import backends, events, middleware
from jobkit.events import Event
from jobkit_inline import MemoryAdapter
from jobkit_sql import SqlAdapter
from tests.integration.transactions.support import ELSEWHERE, Base, Database, notes
from tests.servers.postgres import Postgres


@contextmanager
def opened(url: str, here: URL, other: URL, *, awaited: str) -> Generator[Database]:
    """The stores at these URLs, without any row; jobkit's, the backend `default`, is at `url`."""
    engines = [create_engine(here), create_engine(other)]
    async_engine = create_async_engine(here.set(drivername=awaited))
    for engine in engines:
        for metadata in (notes.metadata, Base.metadata):
            metadata.drop_all(engine)
            metadata.create_all(engine)
    with closing(SqlAdapter(url)) as adapter:
        adapter.migrate()
        backends.install("default", adapter)
        yield Database(url, engines[0], async_engine, adapter, engines[1])
        backends.uninstall("default")
    for engine in (*engines, async_engine.sync_engine):
        engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    here, other = (make_url(f"sqlite:///{tmp_path / name}") for name in ("app.db", "other.db"))
    with opened(str(here), here, other, awaited="sqlite+aiosqlite") as database:
        yield database


@pytest.fixture(scope="session")
def another_database(postgres: Postgres) -> str:
    return postgres.create("another")


@pytest.fixture
def postgresql(postgres: Postgres, another_database: str) -> Iterator[Database]:
    """jobkit's tables stand in a schema of their own, which the application's engines ignore."""
    driver = "postgresql+psycopg"
    here, other = (
        make_url(url).set(drivername=driver) for url in (postgres.url(), another_database)
    )
    with opened(postgres.emptied("transactions"), here, other, awaited=driver) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the SQL stores in turn."""
    database: Database = request.getfixturevalue(request.param)
    return database


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
