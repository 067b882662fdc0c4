"""What is no session and no connection is refused at once, with what to give instead."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from jobkit import enqueue_in
from tests.integration.transactions.support import Database, Here


class ConnectionProxy:
    """Named and placed like Django's."""

    __module__ = "django.db.utils"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda database: database.engine, "an engine has no transaction"),
        (lambda database: database.async_engine, "an engine has no transaction"),
        (lambda database: sessionmaker(database.engine), "that makes sessions"),
        (lambda database: async_sessionmaker(database.async_engine), "that makes sessions"),
        (lambda database: Session, "that makes sessions"),
        (lambda database: ConnectionProxy(), r"transaction\.on_commit"),
        (lambda database: sqlite3.connect(":memory:"), "a driver's own connection"),
        (lambda database: "sqlite://", "not 'sqlite://'"),
        (lambda database: None, "not None"),
    ],
)
def test_it_is_a_type_error_that_says_what_to_give(
    database: Database, make: Callable[[Database], Any], says: str
) -> None:
    wrong = make(database)
    with pytest.raises(TypeError, match=rf"enqueue_in takes a SQLAlchemy Session.*{says}"):
        enqueue_in(wrong)
    with pytest.raises(TypeError, match=rf"complete_in takes a SQLAlchemy Session.*{says}"):
        Here.new(1).complete_in(wrong)
    if isinstance(wrong, sqlite3.Connection):
        wrong.close()


def test_an_asynchronous_connection_must_be_connected(database: Database) -> None:
    with pytest.raises(TypeError, match="not connected yet"):
        enqueue_in(database.async_engine.connect())


def test_a_block_is_entered_once(database: Database) -> None:
    with Session(database.engine) as session:
        block = enqueue_in(session)
        with block, pytest.raises(RuntimeError, match="entered once"), block:
            pass


def test_sqlalchemy_is_loaded_by_the_first_use_only() -> None:
    assert isinstance(sys.modules["jobkit.transactions"], ModuleType)
    import subprocess

    script = "import sys, jobkit; jobkit.enqueue_in; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
