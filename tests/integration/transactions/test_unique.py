"""Unique jobs in a transaction of the application's: the lock shares its fate, like the job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from jobkit import DuplicateJob, Unique, enqueue_in
from jobkit.adapter import Ack, Bury
from jobkit.inspection import Inspector
from jobkit_inline import MemoryAdapter
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


class One(Here, unique=Unique(by=())):
    """One at a time."""


class OneLater(Later, unique=Unique(by=())):
    """The same, stored after the commit."""


class OneAway(Away, unique=Unique(by=())):
    """The same, in another store."""


class Roll(Exception): ...


@pytest.mark.behaviour("H3")
def test_a_lock_of_a_transaction_that_rolls_back_was_never_held(database: Database) -> None:
    with suppress(Roll), database.engine.begin() as connection, enqueue_in(connection):
        One.perform_later(1)
        raise Roll
    assert One.perform_later(2).successfully_enqueued
    assert stored(database.adapter) == [2]


@pytest.mark.behaviour("H7")
def test_a_loser_leaves_the_transaction_usable_and_knows_it_is_not_stored(
    database: Database,
) -> None:
    winner = One.perform_later(1)
    with database.engine.begin() as connection, enqueue_in(connection):
        loser = One.perform_later(2)
        Here.perform_later(3)
        add(connection, "kept")
    assert (loser.successfully_enqueued, loser.duplicate_of) == (False, winner.id)
    assert (noted(database), stored(database.adapter)) == (["kept"], [1, 3])


@pytest.mark.behaviour("H7")
def test_a_conflict_that_raises_undoes_its_own_call_only(database: Database) -> None:
    winner = One.perform_later(1)
    strict = One.set(unique=Unique(by=(), on_conflict="raise"))
    with Session(database.engine) as session, enqueue_in(session):
        add(session.connection(), "kept")
        with pytest.raises(DuplicateJob) as raised:
            strict.perform_later(2)
        session.commit()
    assert raised.value.winner == winner.id
    assert (noted(database), stored(database.adapter)) == (["kept"], [1])


@pytest.mark.behaviour("H3")
def test_whoever_comes_meanwhile_waits_for_the_winner_and_loses_to_it(
    database: Database,
) -> None:
    assert _meanwhile(database, lambda session: session.commit()) == [1]


@pytest.mark.behaviour("H3")
def test_whoever_comes_meanwhile_wins_when_the_winner_rolls_back(database: Database) -> None:
    assert _meanwhile(database, lambda session: session.rollback()) == [2]


@pytest.mark.behaviour("H4")
@pytest.mark.parametrize("commits", [True, False])
def test_a_dead_job_that_is_run_again_waits_for_who_has_its_place(
    database: Database, *, commits: bool
) -> None:
    adapter, inspector = database.adapter, Inspector(database.adapter)
    jobs = [One.perform_later(0)]
    adapter.beat("w", lease=30, claims=[], register=True)
    (claim,) = adapter.claim(["default"], limit=1, worker="w")
    adapter.settle([Bury(claim, claim.payload)])
    moved: list[int] = []
    again = threading.Thread(target=lambda: moved.append(inspector.run_now(jobs[0].id)))
    with Session(database.engine) as session, enqueue_in(session):
        One.perform_later(1)
        again.start()
        again.join(0.2)
        assert moved == []
        if commits:
            session.commit()
    again.join(10)
    assert moved == [0 if commits else 1]
    assert stored(adapter) == [1 if commits else 0]


def _meanwhile(database: Database, end: Callable[[Session], None]) -> list[object]:
    """What is stored when a second job came before the transaction of the first ended."""
    with Session(database.engine) as session, enqueue_in(session):
        first = One.perform_later(1)
        told: list[str | None] = []

        def come() -> None:
            told.append(One.perform_later(2).duplicate_of)

        second = threading.Thread(target=come)
        second.start()
        second.join(0.2)
        assert told == []  # nobody can know yet
        end(session)
    second.join(10)
    left = stored(database.adapter)
    assert told == [first.id if left == [1] else None]
    return left


def test_a_job_stored_after_the_commit_may_lose_then(database: Database) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        late = OneLater.perform_later(1)
        session.execute(text("SELECT 1"))
        assert answer(late) is None
        winner = _outside(lambda: OneLater.perform_later(2))
        session.commit()
    assert (answer(late), late.duplicate_of) == (False, winner.id)
    assert stored(database.adapter) == [2]


def test_another_store_is_asked_after_the_commit(
    database: Database, elsewhere: MemoryAdapter
) -> None:
    with Session(database.engine) as session, enqueue_in(session):
        session.execute(text("SELECT 1"))
        jobs = [OneAway.perform_later(number) for number in (1, 2)]
        session.commit()
    assert [job.duplicate_of for job in jobs] == [None, jobs[0].id]
    assert stored(elsewhere) == [1]


def test_a_settlement_in_a_transaction_frees_the_lock_with_the_commit(database: Database) -> None:
    first = One.perform_later(1)
    adapter = database.adapter
    adapter.beat("w", lease=30, claims=[], register=True)
    (claim,) = adapter.claim(["default"], limit=1, worker="w")
    with suppress(Roll), database.engine.begin() as connection:
        adapter.settle_through(connection, [Ack(claim)])
        raise Roll
    assert One.perform_later(2).duplicate_of == first.id
    with database.engine.begin() as connection:
        adapter.settle_through(connection, [Ack(claim)])
    assert One.perform_later(2).successfully_enqueued


def _outside(call: Callable[[], One | OneLater]) -> One | OneLater:
    """What the call returns in a thread, which is in no transaction."""
    made: list[One | OneLater] = []
    thread = threading.Thread(target=lambda: made.append(call()))
    thread.start()
    thread.join(10)
    (job,) = made
    return job
