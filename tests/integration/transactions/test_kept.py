"""Jobs of other stores: kept with the transaction, sent after the root has committed."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from jobkit import (
    EnqueueError,
    Middleware,
    Unsupported,
    after_enqueue,
    before_enqueue,
    enqueue_in,
    middleware,
    perform_all_later,
)
from jobkit.errors import AdapterError
from jobkit.events import Event
from jobkit.payload import Payload
from jobkit_inline import (
    FakeAdapter,
    InlineAdapter,
    MemoryAdapter,
    assert_enqueued,
    assert_no_enqueued,
    enqueued_jobs,
    use_adapter,
)
from tests.integration.transactions.support import Away, Database, Here, User, add, answer, stored

pytestmark = pytest.mark.usefixtures("database")


class Refused(Exception): ...


@pytest.fixture
def session(database: Database) -> Any:
    with Session(database.engine) as session:
        yield session


@pytest.mark.behaviour("A13")
def test_a_job_is_sent_with_the_commit_and_not_before(
    session: Session, elsewhere: MemoryAdapter
) -> None:
    with enqueue_in(session):
        job = Away.perform_later(1)
        assert answer(job) is None
        assert job.id
        assert stored(elsewhere) == []
        session.commit()
        assert answer(job) is True
    assert stored(elsewhere) == [1]
    assert job.enqueued_at is not None


@pytest.mark.behaviour("A13")
@pytest.mark.parametrize("end", ["rollback", "close", "reset"])
def test_it_is_dropped_when_the_transaction_ends_otherwise(
    session: Session, elsewhere: MemoryAdapter, end: str
) -> None:
    with enqueue_in(session):
        job = Away.perform_later(1)
        getattr(session, end)()
        assert answer(job) is False
        session.add(User(name="ada"))
        session.commit()
    assert stored(elsewhere) == []


def test_a_transaction_that_outlives_the_block_still_decides(
    session: Session, elsewhere: MemoryAdapter
) -> None:
    with enqueue_in(session):
        Away.perform_later(1)
    assert stored(elsewhere) == []
    session.commit()
    assert stored(elsewhere) == [1]


def test_a_session_that_is_used_again_begins_anew(
    session: Session, elsewhere: MemoryAdapter
) -> None:
    for number in range(3):
        with enqueue_in(session):
            Away.perform_later(number)
            if number == 1:
                session.rollback()
            else:
                session.commit()
    assert stored(elsewhere) == [0, 2]


def test_one_session_commits_while_the_block_goes_on(
    session: Session, elsewhere: MemoryAdapter
) -> None:
    with enqueue_in(session):
        Away.perform_later(1)
        session.commit()
        Away.perform_later(2)
        session.rollback()
        Away.perform_later(3)
        session.commit()
    assert stored(elsewhere) == [1, 3]


class TestSavepoints:
    def test_a_released_one_waits_for_the_root(
        self, session: Session, elsewhere: MemoryAdapter
    ) -> None:
        with enqueue_in(session), session.begin():
            with session.begin_nested():
                job = Away.perform_later(1)
            assert answer(job) is None
            assert stored(elsewhere) == []
        assert stored(elsewhere) == [1]

    def test_a_released_one_goes_with_the_root(
        self, session: Session, elsewhere: MemoryAdapter
    ) -> None:
        with enqueue_in(session):
            with session.begin_nested():
                job = Away.perform_later(1)
            session.rollback()
        assert (answer(job), stored(elsewhere)) == (False, [])

    def test_one_that_is_rolled_back_drops_its_own(
        self, session: Session, elsewhere: MemoryAdapter
    ) -> None:
        with enqueue_in(session), session.begin():
            Away.perform_later("before")
            with suppress(Refused), session.begin_nested():
                Away.perform_later("outer")
                with session.begin_nested():
                    Away.perform_later("inner, released")
                raise Refused
            Away.perform_later("after")
        assert stored(elsewhere) == ["before", "after"]

    def test_an_inner_one_that_is_rolled_back_leaves_the_outer(
        self, session: Session, elsewhere: MemoryAdapter
    ) -> None:
        with enqueue_in(session), session.begin(), session.begin_nested():
            Away.perform_later("outer")
            inner = session.begin_nested()
            Away.perform_later("inner")
            inner.rollback()
        assert stored(elsewhere) == ["outer"]

    def test_the_order_of_the_calls_is_kept(
        self, session: Session, elsewhere: MemoryAdapter, heard: list[Event]
    ) -> None:
        with enqueue_in(session), session.begin():
            Away.perform_later(1)
            with session.begin_nested():
                Away.perform_later(2)
            Away.perform_later(3)
        assert [event.job.args for event in heard] == [[1], [2], [3]]
        assert stored(elsewhere) == [1, 2, 3]


def test_a_flush_that_fails_drops_everything(session: Session, elsewhere: MemoryAdapter) -> None:
    with enqueue_in(session):
        session.add(User(id=1, name="ada"))
        session.commit()
        Away.perform_later(1)
        session.expunge_all()
        session.add(User(id=1, name="eve"))
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
    assert stored(elsewhere) == []


def test_two_phases_end_with_the_second(elsewhere: MemoryAdapter, database: Database) -> None:
    # SQLite has no two phases; what the session tells of them is the same.
    class Phased(Session):
        def prepare(self) -> None:
            transaction = self.get_transaction()
            assert transaction is not None
            transaction._prepare_impl()

    with Phased(database.engine) as session, enqueue_in(session):
        job = Away.perform_later(1)
        session.prepare()
        assert answer(job) is None
        session.commit()
        assert stored(elsewhere) == [1]


def test_what_could_not_be_stored_is_refused_at_once(session: Session) -> None:
    with enqueue_in(session), pytest.raises(ValueError, match="object"):
        Away.perform_later(object())


def test_later_changes_of_an_argument_change_nothing(
    session: Session, elsewhere: MemoryAdapter
) -> None:
    argument = {"list": [1]}
    with enqueue_in(session):
        Away.perform_later(argument)
        argument["list"].append(2)
        session.commit()
    assert stored(elsewhere) == [{"list": [1]}]


def test_a_delay_counts_from_the_call(session: Session, elsewhere: MemoryAdapter) -> None:
    with enqueue_in(session):
        job = Away.perform_in(3600, 1)
        due = job._given.get("wait_until")
        session.commit()
    assert job.scheduled_at is not None
    assert job.scheduled_at.timestamp() == pytest.approx(due)
    assert stored(elsewhere) == [1]


def test_bulk_calls_are_kept_slice_by_slice(session: Session, elsewhere: MemoryAdapter) -> None:
    with enqueue_in(session):
        assert Away.perform_bulk((n,) for n in range(1_500)) == 1_500
        jobs = perform_all_later([Away.new("a")])
        assert stored(elsewhere) == []
        session.commit()
    assert len(stored(elsewhere)) == 1_501
    assert answer(jobs[0]) is True


@pytest.mark.behaviour("A13")
def test_callbacks_middleware_and_events_happen_at_the_real_enqueue(
    session: Session, elsewhere: MemoryAdapter, heard: list[Event]
) -> None:
    seen: list[str] = []

    class Called(Away):
        @before_enqueue
        def before(self) -> None:
            seen.append("before")

        @after_enqueue
        def after(self) -> None:
            seen.append("after")
            assert stored(elsewhere) == [1]

    class Noted(Middleware):
        def enqueue(self, payload: Payload, call_next: Any) -> Any:
            seen.append("middleware")
            return call_next(payload)

    middleware.add(Noted())
    with enqueue_in(session):
        Called.perform_later(1)
        assert (seen, heard) == ([], [])
        session.commit()
    assert seen == ["before", "middleware", "after"]
    assert [event.name for event in heard] == ["enqueue"]


def test_they_happen_in_the_context_of_the_call(session: Session) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[str] = []

    class Called(Away):
        @before_enqueue
        def before(self) -> None:
            seen.append(variable.get())

    with enqueue_in(session):
        token = variable.set("at the call")
        Called.perform_later(1)
        variable.reset(token)
        session.commit()
    assert seen == ["at the call"]


def test_a_job_that_is_enqueued_by_a_callback_then_is_sent_at_once(
    session: Session, elsewhere: MemoryAdapter
) -> None:
    class Called(Away):
        @after_enqueue
        def after(self) -> None:
            Away.perform_later(2)

    with enqueue_in(session):
        Called.perform_later(1)
        session.commit()
        assert stored(elsewhere) == [1, 2]


class Broken(MemoryAdapter):
    def enqueue(self, payloads: Any) -> None:
        if any(payload.args == ["broken"] for payload in payloads):
            raise AdapterError("the store is away")
        super().enqueue(payloads)


def test_a_store_that_is_away_is_told_by_the_commit_and_the_others_are_sent(
    session: Session, database: Database
) -> None:
    broken = Broken()
    with use_adapter(broken), enqueue_in(session):
        session.add(User(name="ada"))
        first, bad, last = (Away.perform_later(each) for each in (1, "broken", 3))
        with pytest.raises(EnqueueError, match=r"committed, but 1 of the 3 jobs .* is away"):
            session.commit()
    assert stored(broken) == [1, 3]
    assert [each.successfully_enqueued for each in (first, bad, last)] == [True, False, True]
    with Session(database.engine) as later:
        assert later.query(User).count() == 1


def test_the_session_is_usable_after_that(session: Session) -> None:
    broken = Broken()
    with use_adapter(broken), enqueue_in(session):
        Away.perform_later("broken")
        with pytest.raises(EnqueueError):
            session.commit()
        Away.perform_later(2)
        session.commit()
    assert stored(broken) == [2]


def test_begin_as_a_block_tells_it_too(session: Session) -> None:
    with use_adapter(Broken()), enqueue_in(session), pytest.raises(EnqueueError), session.begin():
        Away.perform_later("broken")
    assert not session.in_transaction()


def test_sessions_are_not_kept_alive(database: Database) -> None:
    session = Session(database.engine)
    with enqueue_in(session):
        Away.perform_later(1)
        session.commit()
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


class TestConnections:
    def test_the_block_sends_what_was_committed_inside(
        self, database: Database, elsewhere: MemoryAdapter
    ) -> None:
        with database.engine.connect() as connection, enqueue_in(connection):
            with connection.begin():
                job = Away.perform_later(1)
            Away.perform_later(2)
            connection.rollback()
            with connection.begin():
                Away.perform_later(3)
            assert answer(job) is None
        assert answer(job) is True
        assert stored(elsewhere) == [1, 3]

    def test_savepoints_drop_their_own(self, database: Database, elsewhere: MemoryAdapter) -> None:
        with database.engine.connect() as connection, enqueue_in(connection), connection.begin():
            Away.perform_later("before")
            with suppress(Refused), connection.begin_nested():
                with connection.begin_nested():
                    Away.perform_later("released inside")
                raise Refused
            with connection.begin_nested():
                Away.perform_later("released")
        assert stored(elsewhere) == ["before", "released"]

    def test_what_was_committed_is_sent_though_the_block_fails(
        self, database: Database, elsewhere: MemoryAdapter
    ) -> None:
        with (
            suppress(Refused),
            database.engine.connect() as connection,
            enqueue_in(connection),
        ):
            Away.perform_later(1)
            connection.commit()
            Away.perform_later(2)
            raise Refused
        assert stored(elsewhere) == [1]

    def test_a_commit_that_fails_drops(
        self, database: Database, elsewhere: MemoryAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(connection: Any) -> None:
            raise connection.dialect.loaded_dbapi.OperationalError("the disk is full")

        with database.engine.connect() as connection, enqueue_in(connection):
            add(connection, "x")
            job = Away.perform_later(1)
            with monkeypatch.context() as patched:
                patched.setattr(database.engine.dialect, "do_commit", lambda _: fail(connection))
                with pytest.raises(Exception, match="the disk is full"):
                    connection.commit()
            connection.rollback()
            assert answer(job) is False
        assert stored(elsewhere) == []

    def test_an_error_after_a_commit_takes_nothing_back(
        self, database: Database, elsewhere: MemoryAdapter
    ) -> None:
        with database.engine.connect() as connection, enqueue_in(connection):
            Away.perform_later(1)
            connection.commit()
            with pytest.raises(Exception, match="syntax"):
                connection.exec_driver_sql("NOT SQL")
        assert stored(elsewhere) == [1]

    def test_a_transaction_around_the_block_is_refused_at_the_call(
        self, database: Database, elsewhere: MemoryAdapter
    ) -> None:
        with database.engine.begin() as connection, enqueue_in(connection):
            with pytest.raises(Unsupported, match="open the block around the transaction"):
                Away.perform_later(1)
            assert Here.perform_later(2).successfully_enqueued is True
        assert (stored(elsewhere), stored(database.adapter)) == ([], [2])

    def test_a_transaction_that_outlives_the_block_is_refused_at_its_end(
        self, database: Database, elsewhere: MemoryAdapter
    ) -> None:
        with database.engine.connect() as connection:
            block = enqueue_in(connection)
            block.__enter__()
            job = Away.perform_later(1)
            with pytest.raises(Unsupported, match="ended before"):
                block.__exit__(None, None, None)
            connection.commit()
        assert (answer(job), stored(elsewhere)) == (False, [])


class TestTheTestKit:
    def test_a_fake_waits_for_the_commit_too(self, session: Session) -> None:
        with use_adapter(FakeAdapter()), enqueue_in(session):
            job = Here.perform_later(1)
            assert (answer(job), enqueued_jobs()) == (None, [])
            session.commit()
            assert [each.args for each in enqueued_jobs()] == [[1]]

    def test_jobs_run_inline_after_the_commit_and_may_use_the_session(
        self, session: Session
    ) -> None:
        seen: list[int] = []

        class Count(Here):
            def perform(self, number: object) -> None:
                seen.append(session.query(User).count())

        with use_adapter(InlineAdapter()), enqueue_in(session):
            session.add(User(name="ada"))
            Count.perform_later(1)
            assert seen == []
            session.commit()
        assert seen == [1]

    @pytest.mark.behaviour("K7")
    def test_assertions_work_inside_a_test_transaction_that_is_never_committed(
        self, database: Database
    ) -> None:
        """The recipe of SQLAlchemy's documentation: a test's session joins its transaction."""
        make = sessionmaker(join_transaction_mode="create_savepoint")
        with use_adapter(FakeAdapter()), database.engine.connect() as connection:
            around = connection.begin()
            with make(bind=connection) as session, enqueue_in(session):
                session.add(User(name="ada"))
                Here.perform_later(1)
                session.commit()
                assert_enqueued(Here, args=[1], count=1)
                with assert_no_enqueued():
                    Here.perform_later(2)
                    session.rollback()
            assert [each.args for each in enqueued_jobs()] == [[1]]
            assert around.is_active
            around.rollback()
