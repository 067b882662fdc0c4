"""FastAPI: a worker while the application serves, and sessions whose jobs share their fate.

app = FastAPI(lifespan=serves_jobs(concurrency=4))
Orders = Annotated[Session, Depends(enqueues_with(get_session))]

@app.post("/orders")
def order(session: Orders) -> None:
    session.add(Order())
    Ship.perform_later(1)
    session.commit()
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from fastapi import Depends, FastAPI

import jobkit

__all__ = ["enqueues_with", "serves_jobs"]

A = TypeVar("A", bound=FastAPI)


def serves_jobs(
    lifespan: Callable[[A], AbstractAsyncContextManager[Any]] | None = None, /, **options: Any
) -> Callable[[A], AbstractAsyncContextManager[Any]]:
    """A lifespan with a worker in it: jobs run in the process that serves the requests.

    `lifespan` is the application's own, if it has one: what it prepares is there before the first
    job and until the last has ended. `options` are those of `jobkit.run_worker`. Each process of
    the server has a worker of its own.
    """

    @asynccontextmanager
    async def serving(app: A) -> AsyncGenerator[Any]:
        async with (lifespan or _nothing)(app) as state, jobkit.run_worker(**options):
            yield state

    return serving


@asynccontextmanager
async def _nothing(app: FastAPI) -> AsyncGenerator[None]:
    del app
    yield


def enqueues_with(get_session: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
    """A dependency that gives what `get_session` gives, inside a block of `jobkit.enqueue_in`.

    Whatever the request enqueues is stored if and only if the session commits: in the same
    database with it, elsewhere after it. `get_session` is a dependency that gives a SQLAlchemy
    session or connection, asynchronous ones too; with those enqueue by `await aperform_later`.
    """

    async def session_that_enqueues(session: Any = Depends(get_session)) -> AsyncIterator[Any]:  # noqa: B008 - as FastAPI wants it
        # Not in a thread of the pool, as a plain generator would run: what it sets must be seen
        # by the function that serves the request.
        block: AbstractAsyncContextManager[Any] = jobkit.enqueue_in(session)
        async with block:
            yield session

    return session_that_enqueues
