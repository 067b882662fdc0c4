"""Jobs in the database of the transaction: inserted through it, sharing its fate."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobkit import EnqueueError, Job, before_enqueue, enqueue, enqueue_in, perform_all_later
from jobkit.events import Event
from jobkit_inline import MemoryAdapter
from tests.integration.transactions.support import (
    Away,
    Database,
    Here,
    Later,
    User,
    add,
    answer,
    jobs_table,
    noted,
    stored,
)


class Refused(Exception): ...


def test_a_job_is_seen_with_the_commit_and_not_before(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        job = Here.perform_later(1)
        assert answer(job) is True
        assert stored(database.adapter) == []
        session.commit()
        assert stored(database.adapter) == [1]


def test_a_rollback_takes_job_and_data_alike(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        session.add(User(name="ada"))
        session.flush()
        Here.perform_later(1)
        session.rollback()
        Here.perform_later(2)
        session.commit()
    assert stored(database.adapter) == [2]


def test_an_error_in_the_block_takes_both(database: Database) -> None:
    with suppress(Refused), database.engine.begin() as connection, enqueue_in(connection):
        add(connection, "x")
        Here.perform_later(1)
        raise Refused
    assert (noted(database), stored(database.adapter)) == ([], [])


def test_a_plain_close_is_a_rollback(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        Here.perform_later(1)
    assert stored(database.adapter) == []


def test_a_savepoint_that_is_rolled_back_takes_its_jobs_only(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session), session.begin():
        Here.perform_later("before")
        with suppress(Refused), session.begin_nested():
            Here.perform_later("inside")
            raise Refused
        with session.begin_nested():
            Here.perform_later("released")
    assert stored(database.adapter) == ["before", "released"]


def test_a_connection_may_have_begun_before_the_block(database: Database) -> None:
    with database.engine.begin() as connection:
        add(connection, "x")
        with enqueue_in(connection):
            Here.perform_later(1)
    assert (noted(database), stored(database.adapter)) == (["x"], [1])


def test_bulk_calls_obey_too(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        assert Here.perform_bulk((n,) for n in range(2_500)) == 2_500
        perform_all_later([Here.new("a"), Here.new("b")])
        enqueue("some.Name", ["c"])
        session.rollback()
        assert Here.perform_bulk([(1,), (2,)]) == 2
        perform_all_later([Here.new(3)])
        enqueue("some.Name", [4])
        session.commit()
    assert stored(database.adapter) == [1, 2, 3, 4]


def test_mixed_lists_are_split(
    database: Database, elsewhere: MemoryAdapter, heard: list[Event]
) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        jobs = perform_all_later([Here.new(1), Away.new(2), Later.new(3), Here.new(4)])
        assert [answer(job) for job in jobs] == [True, None, None, True]
        session.commit()
        assert all(answer(job) for job in jobs)
    assert (stored(database.adapter), stored(elsewhere)) == ([1, 3, 4], [2])
    assert [event.data["count"] for event in heard] == [2, 2]


def test_what_one_argument_makes_impossible_stores_none(
    database: Database, elsewhere: MemoryAdapter
) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        for impossible in (Away.new(object()), Here.new(object())):
            with pytest.raises(ValueError, match="object"):
                perform_all_later([Here.new(1), Away.new(2), impossible])
        session.commit()
    assert (stored(database.adapter), stored(elsewhere)) == ([], [])


def test_after_commit_waits_in_the_same_database_too(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session), session.begin():
        job = Later.perform_later(1)
        assert answer(job) is None
    assert answer(job) is True
    assert stored(database.adapter) == [1]


def test_after_commit_sends_at_once_outside_of_any_block(database: Database) -> None:
    with Session(database.engine) as session, session.begin():
        assert Later.perform_later(1).successfully_enqueued is True
    assert stored(database.adapter) == [1]


def test_after_commit_is_inherited_and_overridden() -> None:
    class Child(Later): ...

    class Other(Later, after_commit=False): ...

    assert (Child._options.after_commit, Other._options.after_commit) == (True, False)
    with pytest.raises(TypeError, match="after_commit is 'yes': give True or False"):
        type("Wrong", (Job,), {}, after_commit="yes")


def test_another_database_of_the_same_kind_is_told_apart(database: Database) -> None:
    with Session(database.other) as session, enqueue_in(session):
        job = Here.perform_later(1)
        assert answer(job) is None
        session.commit()
        assert answer(job) is True
    assert stored(database.adapter) == [1]


def test_several_sessions_at_once_keep_their_own(database: Database) -> None:
    with Session(database.engine) as first, Session(database.other) as second:
        with enqueue_in(first):
            Here.perform_later(1)
            with enqueue_in(second):
                Here.perform_later(2)
            Here.perform_later(3)
        first.rollback()
        second.commit()
    assert stored(database.adapter) == [2]


def test_threads_do_not_share_the_block(database: Database) -> None:
    with Session(database.other) as session, enqueue_in(session):
        jobs: list[Any] = []
        thread = threading.Thread(target=lambda: jobs.append(Here.perform_later(1)))
        thread.start()
        thread.join()
        assert answer(jobs[0]) is True
    assert stored(database.adapter) == [1]


def test_a_scoped_session_is_the_session_of_now(database: Database) -> None:
    scoped = scoped_session(sessionmaker(database.engine))
    with enqueue_in(scoped):
        Here.perform_later(1)
        scoped.commit()
    scoped.remove()
    assert stored(database.adapter) == [1]


def test_callbacks_and_events_happen_with_the_insert(
    database: Database, heard: list[Event]
) -> None:
    class Called(Here):
        @before_enqueue
        def note(self) -> None:
            self.queue = "changed"

    with Session(database.engine) as session, enqueue_in(session):
        assert Called.perform_later(1).queue == "changed"
        assert [event.name for event in heard] == ["enqueue"]
        session.commit()
    assert len(heard) == 1


def test_the_same_id_twice_is_one_job_and_leaves_the_transaction_usable(
    database: Database,
) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        for _ in range(2):
            Here.set(idempotency_key="once").perform_later(1)
        session.commit()
    assert stored(database.adapter) == [1]


def test_a_transaction_that_cannot_write_is_an_enqueue_error(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        Here.perform_later(1)
        session.rollback()
        session.execute(text(f"DROP TABLE {jobs_table(database)}"))
        with pytest.raises(EnqueueError, match=r"the job was not stored: .*jobkit"):
            Here.perform_later(2)
        session.rollback()


def test_what_the_application_translates_its_tables_to_is_not_for_jobkits(
    database: Database,
) -> None:
    options = {"schema_translate_map": {None: "tenant_of_the_application"}}
    engine = database.engine.execution_options(**options)
    with engine.connect() as connection, enqueue_in(connection):
        Here.perform_later(1)
        assert (
            connection.get_execution_options()["schema_translate_map"]
            == options["schema_translate_map"]
        )
        connection.commit()
    assert stored(database.adapter) == [1]


def test_an_idempotency_key_is_free_again_after_a_rollback(database: Database) -> None:
    once = Here.set(idempotency_key="once")
    with Session(database.engine) as session, enqueue_in(session):
        once.perform_later(1)
        session.rollback()
        once.perform_later(2)
        session.commit()
    assert stored(database.adapter) == [2]
