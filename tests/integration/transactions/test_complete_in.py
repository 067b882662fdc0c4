"""`complete_in`: the job is finished by the transaction that its effects are in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from jobkit import (
    DiscardJob,
    Job,
    LeaseLost,
    Unsupported,
    after_discard,
    after_perform,
    current_job,
    enqueue_in,
    job,
    middleware,
    retry_on,
)
from jobkit.adapter import Adapter, Claim, Retention
from jobkit.clock import SYSTEM
from jobkit.events import Event
from jobkit.settings import Queues
from jobkit.transactions import Settled
from jobkit.worker import Worker, WorkerOptions
from jobkit.worker.coroutines import EventLoop
from jobkit.worker.performing import Performer
from jobkit_inline import (
    FakeAdapter,
    InlineAdapter,
    MemoryAdapter,
    perform_enqueued_jobs,
    use_adapter,
)
from jobkit_sql import SqlAdapter
from tests.integration.transactions.support import Database, Here, add, noted, notes, stored

Body = Callable[[Job], Any]


class Failed(Exception): ...


class Run:
    """One job with the given body, run as a worker would."""

    def __init__(self, adapter: Adapter, job_class: type[Job]) -> None:
        self.adapter = adapter
        self.loop = EventLoop()
        job_class.perform_later()
        adapter.beat("worker", lease=30, claims=[], register=True)
        [self.claim] = adapter.claim(["default"], limit=1, worker="worker")

    def perform(self) -> bool:
        """Perform and settle; True when the job had settled itself."""
        performed = Performer(self.adapter, SYSTEM, self.loop.run).perform(self.claim)
        self.loop.stop()
        if isinstance(performed, Settled):
            assert performed.claim == self.claim
            return True
        assert self.adapter.settle([performed]) == []
        return False


def run(database: Database, body: Body, **options: Any) -> Run:
    """A claimed job with this body."""

    class Bodied(Job, **options):
        def perform(self) -> Any:
            return body(self)

    return Run(database.adapter, Bodied)


def counts(adapter: SqlAdapter) -> tuple[int, int, int, int]:
    """Processed, failed, waiting for a retry, running."""
    stats = adapter.stats()
    return stats.processed, stats.failed, stats.retry, stats.running


def test_the_commit_finishes_the_job_with_its_effects(database: Database) -> None:
    def body(job: Job) -> None:
        with Session(database.engine) as session, session.begin():
            with job.complete_in(session):
                add(session.connection(), "effect")
            assert counts(database.adapter) == (0, 0, 0, 1)
        assert counts(database.adapter) == (1, 0, 0, 0)

    assert run(database, body).perform()
    assert (noted(database), counts(database.adapter)) == (["effect"], (1, 0, 0, 0))


def test_of_a_connection_too(database: Database) -> None:
    def body(job: Job) -> None:
        with database.engine.begin() as connection, job.complete_in(connection):
            add(connection, "effect")

    assert run(database, body).perform()
    assert (noted(database), counts(database.adapter)) == (["effect"], (1, 0, 0, 0))


def test_of_a_connection_that_commits_as_it_goes(database: Database) -> None:
    def body(job: Job) -> None:
        with database.engine.connect() as connection:
            with job.complete_in(connection):
                add(connection, "effect")
            connection.commit()

    assert run(database, body).perform()
    assert (noted(database), counts(database.adapter)) == (["effect"], (1, 0, 0, 0))


def test_of_an_asynchronous_session(database: Database) -> None:
    async def body(job: Job) -> None:
        async with (
            AsyncSession(database.async_engine) as session,
            session.begin(),
            job.complete_in(session),
        ):
            await session.execute(notes.insert(), {"text": "effect"})
        await database.async_engine.dispose()

    assert run(database, body).perform()
    assert (noted(database), counts(database.adapter)) == (["effect"], (1, 0, 0, 0))


def test_of_an_asynchronous_connection(database: Database) -> None:
    async def body(job: Job) -> None:
        async with database.async_engine.begin() as connection, job.complete_in(connection):
            await connection.execute(notes.insert(), {"text": "effect"})
        await database.async_engine.dispose()

    assert run(database, body).perform()
    assert (noted(database), counts(database.adapter)) == (["effect"], (1, 0, 0, 0))


def test_a_plain_with_over_an_asynchronous_one_raises(database: Database) -> None:
    raised: list[BaseException] = []

    async def body(job: Job) -> None:
        async with AsyncSession(database.async_engine) as session:
            with pytest.raises(TypeError, match="write `async with"), job.complete_in(session):
                raised.append(AssertionError())
        with Session(database.engine) as session, pytest.raises(TypeError, match="write `with"):
            async with job.complete_in(session):
                raised.append(AssertionError())

    assert not run(database, body).perform()
    assert raised == []


def test_a_function_job_has_it_by_current_job(database: Database) -> None:
    @job
    def effect() -> None:
        running = current_job()
        assert running is not None
        with database.engine.begin() as connection, running.complete_in(connection):
            add(connection, "effect")

    assert Run(database.adapter, effect.job_class).perform()
    assert noted(database) == ["effect"]


def test_a_finished_job_is_kept_where_they_are(database: Database) -> None:
    adapter = SqlAdapter(database.url, retention=Retention(keep_finished=60))

    class Kept(Job):
        def perform(self) -> None:
            with database.engine.begin() as connection, self.complete_in(connection):
                pass

    assert Run(adapter, Kept).perform()
    assert counts(adapter) == (1, 0, 0, 0)
    adapter.close()


def test_once_its_run_has_ended_a_job_completes_nothing(database: Database) -> None:
    left: list[Job] = []
    assert not run(database, left.append).perform()
    engine = database.engine
    with (
        pytest.raises(LeaseLost, match="has ended"),
        engine.begin() as connection,
        left[0].complete_in(connection),
    ):
        add(connection, "late")
    assert (noted(database), counts(database.adapter)) == ([], (1, 0, 0, 0))


class TestNotCommitted:
    """Then the job is settled by how `perform` ended."""

    def test_an_error_in_the_block_settles_nothing(self, database: Database) -> None:
        def body(job: Job) -> None:
            with database.engine.begin() as connection, job.complete_in(connection):
                add(connection, "effect")
                raise Failed

        assert not run(database, body).perform()
        assert (noted(database), counts(database.adapter)) == ([], (1, 1, 1, 0))

    def test_an_error_before_the_commit_takes_the_settlement_back(self, database: Database) -> None:
        def body(job: Job) -> None:
            with Session(database.engine) as session, session.begin():
                with job.complete_in(session):
                    add(session.connection(), "effect")
                raise Failed

        assert not run(database, body).perform()
        assert (noted(database), counts(database.adapter)) == ([], (1, 1, 1, 0))

    @pytest.mark.parametrize("raises", [False, True])
    def test_a_caller_that_rolled_back(self, database: Database, raises: bool) -> None:
        def body(job: Job) -> None:
            with Session(database.engine) as session:
                with job.complete_in(session):
                    add(session.connection(), "effect")
                session.rollback()
            if raises:
                raise Failed

        assert not run(database, body).perform()
        assert noted(database) == []
        assert counts(database.adapter) == ((1, 1, 1, 0) if raises else (1, 0, 0, 0))

    def test_a_savepoint_that_was_rolled_back(self, database: Database) -> None:
        def body(job: Job) -> None:
            with Session(database.engine) as session, session.begin():
                add(session.connection(), "kept")
                savepoint = session.begin_nested()
                with job.complete_in(session):
                    add(session.connection(), "effect")
                savepoint.rollback()

        assert not run(database, body).perform()
        assert (noted(database), counts(database.adapter)) == (["kept"], (1, 0, 0, 0))

    def test_a_savepoint_of_a_connection(self, database: Database) -> None:
        def body(job: Job) -> None:
            with database.engine.begin() as connection:
                add(connection, "kept")
                savepoint = connection.begin_nested()
                with job.complete_in(connection):
                    add(connection, "effect")
                savepoint.rollback()

        assert not run(database, body).perform()
        assert (noted(database), counts(database.adapter)) == (["kept"], (1, 0, 0, 0))

    @pytest.mark.parametrize("raises", [False, True])
    def test_a_session_that_was_left_open_is_rolled_back(
        self, database: Database, raises: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        left: list[Session] = []

        def body(job: Job) -> None:
            left.append(session := Session(database.engine))
            with job.complete_in(session):
                add(session.connection(), "effect")
            if raises:
                raise Failed

        assert not run(database, body).perform()
        assert not left[0].in_transaction()
        assert noted(database) == []
        assert counts(database.adapter) == ((1, 1, 1, 0) if raises else (1, 0, 0, 0))
        assert "left the transaction of complete_in open" in caplog.text

    def test_an_asynchronous_one_that_was_left_open(self, database: Database) -> None:
        left: list[AsyncSession] = []

        async def body(job: Job) -> None:
            left.append(session := AsyncSession(database.async_engine))
            async with job.complete_in(session):
                await session.execute(notes.insert(), {"text": "effect"})

        started = run(database, body)
        assert not started.perform()
        assert not left[0].in_transaction()
        assert (noted(database), counts(database.adapter)) == ([], (1, 0, 0, 0))
        asyncio.run(database.async_engine.dispose())

    def test_a_connection_that_was_left_open(self, database: Database) -> None:
        left: list[Any] = []

        def body(job: Job) -> None:
            left.append(connection := database.engine.connect())
            with job.complete_in(connection):
                add(connection, "effect")

        assert not run(database, body).perform()
        assert (noted(database), counts(database.adapter)) == ([], (1, 0, 0, 0))
        left[0].close()

    def test_another_try_may_complete_it(self, database: Database) -> None:
        def body(job: Job) -> None:
            with Session(database.engine) as session:
                for number in range(2):
                    with job.complete_in(session):
                        add(session.connection(), str(number))
                    if number == 0:
                        session.rollback()
                session.commit()

        assert run(database, body).perform()
        assert (noted(database), counts(database.adapter)) == (["1"], (1, 0, 0, 0))


class TestAfterTheCommit:
    @pytest.fixture
    def told(self) -> list[str]:
        told: list[str] = []
        middleware.on_error(lambda job, error: told.append("on_error"))
        middleware.on_death(lambda job, error: told.append("on_death"))
        return told

    @pytest.mark.parametrize("error", [Failed(), DiscardJob(), SystemExit()])
    def test_an_error_is_only_logged(
        self,
        database: Database,
        told: list[str],
        error: BaseException,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        @retry_on(Failed, attempts=1)
        class Late(Job):
            def perform(self) -> None:
                with database.engine.begin() as connection, self.complete_in(connection):
                    add(connection, "effect")
                raise error

            @after_discard
            def tell(self, error: BaseException) -> None:
                told.append("after_discard")

        assert Run(database.adapter, Late).perform()
        assert (noted(database), counts(database.adapter)) == (["effect"], (1, 0, 0, 0))
        assert told == []
        [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert record.exc_info is not None
        assert record.exc_info[1] is error

    def test_callbacks_run_as_ever(self, database: Database) -> None:
        told: list[str] = []

        class Called(Job):
            def perform(self) -> None:
                with database.engine.begin() as connection, self.complete_in(connection):
                    pass

            @after_perform
            def tell(self) -> None:
                told.append("after_perform")

        assert Run(database.adapter, Called).perform()
        assert told == ["after_perform"]

    def test_it_cannot_be_completed_again(self, database: Database) -> None:
        def body(job: Job) -> None:
            for number in range(2):
                with database.engine.begin() as connection, job.complete_in(connection):
                    add(connection, str(number))

        assert run(database, body).perform()
        assert noted(database) == ["0"]


class TestALostLease:
    def steal(self, database: Database) -> Claim:
        """What another worker does when this one is declared dead."""
        database.adapter.beat("thief", lease=30, claims=[], register=True)
        [claim] = database.adapter.recover("worker", to="thief")
        return claim

    @pytest.mark.parametrize("swallows", [False, True])
    def test_everything_is_rolled_back(self, database: Database, swallows: bool) -> None:
        stolen: list[Claim] = []
        told: list[str] = []
        middleware.on_error(lambda job, error: told.append("on_error"))

        def body(job: Job) -> None:
            stolen.append(self.steal(database))
            session = Session(database.engine)
            try:
                with job.complete_in(session):
                    add(session.connection(), "effect")
            except LeaseLost:
                session.commit()
                if not swallows:
                    raise
            finally:
                session.close()

        started = run(database, body, retry=0)
        performed = Performer(database.adapter, SYSTEM, started.loop.run).perform(started.claim)
        assert not isinstance(performed, Settled)
        assert database.adapter.settle([performed]) == [started.claim]
        assert (noted(database), counts(database.adapter)) == ([], (0, 0, 0, 1))
        assert told == [], "the failure rules were asked about another worker's job"
        assert database.adapter.held("thief") == stolen

    def test_of_a_connection_too(self, database: Database) -> None:
        def body(job: Job) -> None:
            self.steal(database)
            with database.engine.begin() as connection, job.complete_in(connection):
                add(connection, "effect")

        started = run(database, body)
        Performer(database.adapter, SYSTEM, started.loop.run).perform(started.claim)
        assert (noted(database), counts(database.adapter)) == ([], (0, 0, 0, 1))


class TestWhereItCannotBe:
    def test_another_database_is_refused_before_the_work(self, database: Database) -> None:
        reached: list[object] = []

        def body(job: Job) -> None:
            with (
                Session(database.other) as session,
                pytest.raises(Unsupported, match="not in the database"),
                job.complete_in(session),
            ):
                reached.append(None)

        assert not run(database, body).perform()
        assert reached == []

    def test_another_store_is_refused(self, database: Database) -> None:
        adapter = MemoryAdapter()

        class Refused(Job):
            def perform(self) -> None:
                with (
                    Session(database.engine) as session,
                    pytest.raises(Unsupported, match="MemoryAdapter does not support"),
                    self.complete_in(session),
                ):
                    raise AssertionError

        with use_adapter(adapter):
            started = Run(adapter, Refused)
        assert not started.perform()
        assert adapter.stats().processed == 1

    def test_without_a_worker_the_block_does_nothing(self, database: Database) -> None:
        class Plain(Job):
            def perform(self, number: int) -> None:
                with database.engine.begin() as connection, self.complete_in(connection):
                    add(connection, str(number))

        Plain.perform_now(1)
        with use_adapter(InlineAdapter()):
            Plain.perform_later(2)
        with use_adapter(FakeAdapter()):
            Plain.perform_later(3)
            assert perform_enqueued_jobs() == 1
        assert noted(database) == ["1", "2", "3"]


def test_a_worker_takes_the_transactions_word(database: Database, heard: list[Event]) -> None:
    class Effect(Job):
        def perform(self, number: int) -> None:
            with Session(database.engine) as session, session.begin(), self.complete_in(session):
                add(session.connection(), str(number))

    Effect.perform_bulk((number,) for number in range(30))
    options = WorkerOptions(queues=Queues(("default",)), concurrency=3)
    worker = Worker(database.adapter, options)
    assert worker.start()
    deadline = time.monotonic() + 20
    while database.adapter.stats().processed < 30 or worker.desk.held:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert worker.stop(5)
    assert sorted(map(int, noted(database))) == list(range(30))
    assert "claim_lost" not in {event.name for event in heard}
    assert counts(database.adapter) == (30, 0, 0, 0)


@pytest.mark.parametrize("raises", [False, True])
def test_a_job_hands_on_to_the_next_exactly_once(database: Database, raises: bool) -> None:
    def body(job: Job) -> None:
        with Session(database.engine) as session, session.begin(), enqueue_in(session):
            with job.complete_in(session):
                Here.perform_later("next")
            if raises:
                raise Failed

    assert run(database, body).perform() is not raises
    assert stored(database.adapter) == ([] if raises else ["next"])
    assert counts(database.adapter) == ((1, 1, 1, 0) if raises else (1, 0, 0, 0))
