"""Sessions of FastAPI whose jobs share their fate."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

import jobkit
from jobkit import backends, settings
from jobkit.contrib.fastapi import enqueues_with, serves_jobs
from jobkit_inline import assert_enqueued, assert_no_enqueued


class Ship(jobkit.Job):
    def perform(self, order: int) -> None: ...


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The application's database, which is jobkit's as well."""
    url = f"sqlite:///{tmp_path / 'app.sqlite3'}"
    jobkit.configure(url=url)
    yield url
    backends.close_all()
    settings.reset()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER)"))
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    def get_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    with_jobs: Any = Depends(enqueues_with(get_session))
    app = FastAPI()

    @app.post("/orders/{number}")
    def order(number: int, session: Session = with_jobs, fail: bool = False) -> None:
        session.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})
        Ship.perform_later(number)
        if fail:
            raise HTTPException(409)
        session.commit()

    with TestClient(app) as client:
        yield client


def orders(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM orders")).scalars())


def test_a_job_is_stored_with_the_commit(client: TestClient, engine: Engine) -> None:
    assert client.post("/orders/1").status_code == 200
    assert orders(engine) == [1]
    assert [job.args for job in jobkit.inspect().jobs("enqueued").items] == [[1]]


def test_a_request_that_fails_stores_neither(client: TestClient, engine: Engine) -> None:
    assert client.post("/orders/1?fail=true").status_code == 409
    assert orders(engine) == []
    assert jobkit.inspect().stats().enqueued == 0


def test_elsewhere_the_job_is_sent_after_the_commit(client: TestClient, fake_jobs: Any) -> None:
    client.post("/orders/1?fail=true")
    assert_no_enqueued()
    client.post("/orders/2")
    assert_enqueued(Ship, args=[2], count=1)


def test_an_asynchronous_session_does_it_too(url: str, engine: Engine) -> None:
    awaited = create_async_engine(url.replace("sqlite://", "sqlite+aiosqlite://"))

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(awaited) as session:
            yield session

    @asynccontextmanager
    async def closing(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await awaited.dispose()

    app = FastAPI(lifespan=closing)
    with_jobs: Any = Depends(enqueues_with(get_session))

    @app.post("/orders/{number}")
    async def order(number: int, session: AsyncSession = with_jobs) -> None:
        await session.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})
        await Ship.aperform_later(number)
        await session.commit()

    with TestClient(app) as client:
        assert client.post("/orders/3").status_code == 200
    assert orders(engine) == [3]
    assert jobkit.inspect().stats().enqueued == 1


ran: list[tuple[str, bool]] = []
ready = False


class Note(jobkit.Job):
    def perform(self, text: str) -> None:
        ran.append((text, ready))


def test_a_worker_runs_while_the_application_serves(url: str) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncGenerator[dict[str, int]]:
        global ready  # noqa: PLW0603 - what the application prepares
        ready = True
        yield {"answer": 42}
        ready = False

    app = FastAPI(lifespan=serves_jobs(own, queues=["default"], concurrency=2))

    @app.post("/notes/{text}")
    def note(text: str, request: Request) -> int:
        Note.perform_later(text)
        return int(request.state.answer)

    with TestClient(app) as client:
        assert client.post("/notes/hello").json() == 42
        assert [worker.concurrency for worker in jobkit.inspect().workers()] == [2]
        wait_until(lambda: bool(ran))
    assert ran == [("hello", True)]
    assert jobkit.inspect().workers() == []


def test_an_application_without_a_lifespan_of_its_own_has_a_worker_too(url: str) -> None:
    with TestClient(FastAPI(lifespan=serves_jobs(concurrency=1))):
        assert len(jobkit.inspect().workers()) == 1


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
