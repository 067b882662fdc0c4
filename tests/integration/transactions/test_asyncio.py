"""Asynchronous sessions and connections: awaited, without blocking the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker

import jobkit
from jobkit import Unsupported, after_enqueue, enqueue_in
from jobkit_inline import MemoryAdapter
from tests.integration.transactions.support import (
    Away,
    Database,
    Here,
    Later,
    User,
    answer,
    noted,
    notes,
    stored,
)

Test = Callable[..., Coroutine[Any, Any, None]]


def in_a_loop(test: Test) -> Callable[..., None]:
    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


@asynccontextmanager
async def open_session(database: Database) -> AsyncGenerator[AsyncSession]:
    async with AsyncSession(database.async_engine) as session:
        yield session
    await database.async_engine.dispose()


class Refused(Exception): ...


@in_a_loop
async def test_jobs_share_the_fate_of_an_asynchronous_session(database: Database) -> None:
    async with open_session(database) as session, enqueue_in(session):
        session.add(User(name="ada"))
        job = await Here.aperform_later(1)
        assert answer(job) is True
        assert stored(database.adapter) == []
        await session.commit()
        await Here.aperform_later(2)
        await session.rollback()
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_a_plain_with_serves_as_well(database: Database) -> None:
    async with open_session(database) as session:
        with enqueue_in(session):
            await Here.aperform_later(1)
            await session.commit()
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_savepoints_count(database: Database, elsewhere: MemoryAdapter) -> None:
    async with open_session(database) as session, enqueue_in(session), session.begin():
        with suppress(Refused):
            async with session.begin_nested():
                await Here.aperform_later(1)
                await Away.aperform_later(1)
                raise Refused
        async with session.begin_nested():
            await Here.aperform_later(2)
            await Away.aperform_later(2)
        assert stored(elsewhere) == []
    assert (stored(database.adapter), stored(elsewhere)) == ([2], [2])


@in_a_loop
async def test_every_awaited_verb_obeys(database: Database, elsewhere: MemoryAdapter) -> None:
    async with open_session(database) as session, enqueue_in(session):
        await jobkit.aenqueue("some.Name", [1])
        assert await Here.aperform_bulk([(2,), (3,)]) == 2
        await jobkit.aperform_all_later([Here.new(4), Later.new(5), Away.new(6)])
        await Here.set(queue="low").aperform_later(7)
        assert (stored(database.adapter), stored(elsewhere)) == ([], [])
        await session.commit()
    assert sorted(map(str, stored(database.adapter))) == ["1", "2", "3", "4", "5", "7"]
    assert stored(elsewhere) == [6]


@in_a_loop
async def test_synchronous_verbs_are_refused(database: Database, elsewhere: MemoryAdapter) -> None:
    async with open_session(database) as session, enqueue_in(session):
        for call in (
            lambda: Here.perform_later(1),
            lambda: Away.perform_later(1),
            lambda: Here.perform_bulk([(1,)]),
            lambda: jobkit.perform_all_later([Away.new(1)]),
            lambda: jobkit.enqueue("some.Name"),
        ):
            with pytest.raises(RuntimeError, match="use `await aperform_later"):
                call()
        await session.commit()
    assert (stored(database.adapter), stored(elsewhere)) == ([], [])


@in_a_loop
async def test_inside_run_sync_the_synchronous_verbs_serve(database: Database) -> None:
    async with open_session(database) as session, enqueue_in(session):
        await session.run_sync(lambda _: Here.perform_later(1))
        await session.commit()
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_other_stores_are_reached_in_a_thread(
    database: Database, elsewhere: MemoryAdapter
) -> None:
    threads: list[threading.Thread] = []

    class Called(Away):
        @after_enqueue
        def note(self) -> None:
            threads.append(threading.current_thread())

    async with open_session(database) as session, enqueue_in(session):
        job = await Called.aperform_later(1)
        assert answer(job) is None
        await session.commit()
        assert answer(job) is True
    assert stored(elsewhere) == [1]
    assert threads != [threading.current_thread()]


@in_a_loop
async def test_tasks_have_sessions_of_their_own(database: Database) -> None:
    barrier = asyncio.Barrier(2)

    async def work(number: int, *, commits: bool) -> None:
        async with AsyncSession(database.async_engine) as session, enqueue_in(session):
            await barrier.wait()
            await Later.aperform_later(number)
            await barrier.wait()
            await (session.commit() if commits else session.rollback())

    await asyncio.gather(work(1, commits=True), work(2, commits=False))
    await database.async_engine.dispose()
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_a_task_that_outlives_the_block_sends_at_once(database: Database) -> None:
    go = asyncio.Event()

    async def straggler() -> None:
        await go.wait()
        await Here.aperform_later(1)

    async with open_session(database) as session, enqueue_in(session):
        task = asyncio.create_task(straggler())
        await asyncio.sleep(0)
    go.set()
    await task
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_connections_are_taken_too(database: Database, elsewhere: MemoryAdapter) -> None:
    async with database.async_engine.connect() as connection, enqueue_in(connection):
        async with connection.begin():
            await connection.execute(notes.insert(), {"text": "x"})
            await Here.aperform_later(1)
            await Away.aperform_later(1)
        await Here.aperform_later(2)
        await Away.aperform_later(2)
        await connection.rollback()
        assert stored(elsewhere) == []
    await database.async_engine.dispose()
    assert (stored(database.adapter), stored(elsewhere)) == ([1], [1])
    assert noted(database) == ["x"]


@in_a_loop
async def test_a_connection_around_the_block_cannot_keep(database: Database) -> None:
    async with database.async_engine.begin() as connection, enqueue_in(connection):
        await Here.aperform_later(1)
        with pytest.raises(Unsupported, match="open the block around"):
            await Away.aperform_later(1)
    await database.async_engine.dispose()
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_a_scoped_session_is_the_session_of_the_task(database: Database) -> None:
    make = async_sessionmaker(database.async_engine)
    scoped = async_scoped_session(make, scopefunc=asyncio.current_task)
    async with enqueue_in(scoped):
        await Here.aperform_later(1)
        await scoped.commit()
    await scoped.remove()
    await database.async_engine.dispose()
    assert stored(database.adapter) == [1]


@in_a_loop
async def test_a_cancelled_task_leaves_nothing(database: Database) -> None:
    stored_it = asyncio.Event()

    async def work() -> None:
        async with AsyncSession(database.async_engine) as session, enqueue_in(session):
            await Here.aperform_later(1)
            stored_it.set()
            await asyncio.Event().wait()
            await session.commit()

    task = asyncio.create_task(work())
    await stored_it.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.async_engine.dispose()
    assert stored(database.adapter) == []
