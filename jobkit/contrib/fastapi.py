"""FastAPI: sessions whose jobs share their transaction's fate.

Session = Annotated[orm.Session, Depends(enqueues_with(get_session))]

@app.post("/orders")
def order(session: Session) -> None:
    session.add(Order())
    Ship.perform_later(1)
    session.commit()
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends

import jobkit

__all__ = ["enqueues_with"]


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
