"""Batches in a transaction of the application's: a block shares its fate, all of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from jobkit import Batch, Job, chain, enqueue_in, perform_all_later
from jobkit.worker.coroutines import EventLoop
from jobkit_inline import MemoryAdapter
from jobkit_sql import SqlAdapter
from tests.integration.transactions.support import (
    Away,
    Database,
    Here,
    Later,
    add,
    answer,
    noted,
    stored,
)
from tests.integration.transactions.test_complete_in import Failed, Run, counts


class Roll(Exception): ...


def batch(job: type[Here] = Here) -> Batch:
    return Batch(on_success=job.new("success"), on_finish=job.new("finish"))


class Started(Run):
    """A job that was stored, and is claimed."""

    def __init__(self, adapter: SqlAdapter) -> None:
        self.adapter = adapter
        self.loop = EventLoop()
        adapter.beat("worker", lease=30, claims=[], register=True)
        [self.claim] = adapter.claim(["default"], limit=1, worker="worker")


def member(database: Database, job: type[Job]) -> tuple[Batch, Started]:
    """A batch of this one job, which runs."""
    with batch() as made:
        job.perform_later()
    return made, Started(database.adapter)


def known(batch: Batch, backend: str = "default") -> bool:
    return Batch.find(batch.id, backend) is not None


def test_a_batch_is_there_with_the_commit_and_not_before(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        add(session.connection(), "kept")
        with batch() as made:
            jobs = [Here.perform_later(number) for number in range(2)]
        assert [answer(job) for job in jobs] == [True, True]
        assert (known(made), stored(database.adapter)) == (False, [])
        session.commit()
    assert (noted(database), stored(database.adapter)) == (["kept"], [0, 1])
    assert made.status().pending == 2


def test_of_a_transaction_that_rolls_back_there_is_no_batch_and_no_job(
    database: Database,
) -> None:
    made = batch()
    inner = batch()
    with suppress(Roll), database.engine.begin() as connection, enqueue_in(connection):
        with made:
            Here.perform_later(1)
            with inner:
                Here.perform_later(2)
        raise Roll
    assert (known(made), known(inner), stored(database.adapter)) == (False, False, [])


def test_an_empty_batch_has_its_callbacks_come_with_the_commit(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        with batch():
            pass
        assert stored(database.adapter) == []
        session.commit()
    assert sorted(map(str, stored(database.adapter))) == ["finish", "success"]


def test_a_savepoint_that_is_undone_takes_its_batch_along_and_no_other(
    database: Database,
) -> None:
    undone = batch()
    with Session(database.engine) as session, enqueue_in(session):
        with batch() as kept:
            Here.perform_later(1)
        with suppress(Roll), session.begin_nested():
            with undone:
                Here.perform_later(2)
            kept.add(Here.new(3))
            raise Roll
        kept.add(Here.new(4))
        session.commit()
    assert (known(undone), stored(database.adapter)) == (False, [1, 4])
    assert kept.status().total == 2


def test_a_block_around_the_transaction_is_stored_when_it_is_left(database: Database) -> None:
    with batch() as made:
        with Session(database.engine) as session, enqueue_in(session):
            Here.perform_later(1)
            session.execute(text("SELECT 1"))
            session.commit()
        assert not known(made)
    assert (made.status().total, stored(database.adapter)) == (1, [1])


@pytest.mark.parametrize("commits", [True, False])
def test_a_batch_of_another_store_is_sent_after_the_commit_or_never(
    database: Database, elsewhere: MemoryAdapter, *, commits: bool
) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        session.execute(text("SELECT 1"))
        with batch(Away) as made:
            job = Away.perform_later(1)
            with batch(Away):
                Away.perform_later(2)
        assert (answer(job), stored(elsewhere)) == (None, [])
        if commits:
            session.commit()
        else:
            session.rollback()
    assert (answer(job), stored(elsewhere)) == (commits, [1, 2] if commits else [])
    assert known(made, "elsewhere") is commits


def test_a_batch_whose_jobs_wait_for_the_commit_waits_as_a_whole(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        session.execute(text("SELECT 1"))
        with batch() as made:
            jobs = [Here.perform_later(1), Later.perform_later(2)]
        assert [answer(job) for job in jobs] == [None, None]
        session.commit()
    assert [answer(job) for job in jobs] == [True, True]
    assert made.status().total == 2


def test_of_a_savepoint_that_is_undone_nothing_is_sent_elsewhere(
    database: Database, elsewhere: MemoryAdapter
) -> None:
    made = batch(Away)
    job = Away.new(1)
    with Session(database.engine) as session, enqueue_in(session):
        with suppress(Roll), session.begin_nested():
            session.execute(text("SELECT 1"))
            with made:
                perform_all_later([job])
            raise Roll
        session.execute(text("SELECT 1"))
        session.commit()
    assert (answer(job), known(made, "elsewhere"), stored(elsewhere)) == (False, False, [])


@pytest.mark.parametrize("size", [1, 5_001])
def test_a_block_left_by_an_error_inside_a_transaction_that_goes_on_stores_nothing(
    database: Database, size: int
) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        add(session.connection(), "kept")
        made = batch()
        with pytest.raises(Roll):
            _left_by_an_error(made, size)
        session.commit()
    assert (noted(database), known(made), stored(database.adapter)) == (["kept"], False, [])


def _left_by_an_error(made: Batch, size: int) -> None:
    with made:
        Here.perform_bulk((number,) for number in range(size))
        raise Roll


@pytest.mark.parametrize("commits", [True, False])
def test_from_asyncio_it_is_the_same(database: Database, *, commits: bool) -> None:
    async def body() -> Batch:
        async with AsyncSession(database.async_engine) as session, enqueue_in(session):
            await session.execute(text("SELECT 1"))
            async with batch() as made:
                await Here.aperform_later(1)
            if commits:
                await session.commit()
        await database.async_engine.dispose()
        return made

    made = asyncio.run(body())
    assert (known(made), stored(database.adapter)) == (commits, [1] if commits else [])


@pytest.mark.parametrize("commits", [True, False])
def test_a_chain_shares_the_fate_of_the_transaction(database: Database, *, commits: bool) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        whole = chain(Here.new(1), Here.new(2)).perform_later()
        if commits:
            session.commit()
    assert stored(database.adapter) == ([1] if commits else [])
    assert known(whole) is commits


@pytest.mark.parametrize("raises", [False, True])
def test_a_member_ends_in_its_batch_with_the_transaction_that_completes_it(
    database: Database, *, raises: bool
) -> None:
    class Member(Job):
        def perform(self) -> None:
            with Session(database.engine) as session, session.begin():
                with self.complete_in(session):
                    add(session.connection(), "effect")
                if raises:
                    raise Failed

    made, started = member(database, Member)
    assert started.perform() is not raises
    status = made.status()
    assert (status.pending, status.finished_at is None) == (int(raises), raises)
    assert [each for each in stored(database.adapter) if isinstance(each, str)] == (
        [] if raises else ["success", "finish"]
    )
    assert counts(database.adapter)[0] == 1


def test_a_member_adds_to_its_batch_in_the_transaction_that_completes_it(
    database: Database,
) -> None:
    class Adding(Job):
        def perform(self) -> None:
            assert self.batch is not None
            with Session(database.engine) as session, session.begin(), enqueue_in(session):
                with self.complete_in(session), self.batch:
                    Here.perform_later("added")
                assert self.batch.status().total == 1

    made, started = member(database, Adding)
    assert started.perform()
    assert stored(database.adapter) == ["added"]
    assert (made.status().total, made.status().pending) == (2, 1)
