"""One process's connections to a PostgreSQL database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final, cast

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from jobkit_sql.dialects.postgresql import pool
from jobkit_sql.dialects.postgresql.listening import Bell, Listener
from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.dialects.postgresql.watchdog import Watchdog

__all__ = ["Connections"]

_CLOCK_HOLDS: Final = 5.0
"""Seconds for which the server's time is counted on from here before it is asked again."""

_NOW: Final = text("SELECT extract(epoch FROM clock_timestamp())::double precision")


class Connections:
    """The `Database` of a server: a pool of our own, and one connection more that listens."""

    def __init__(self, options: Options) -> None:
        self._engine = pool.made(options)
        # Said with each BEGIN, whatever the database's default: a statement that waited for a lock
        # must see what the other one committed.
        self._transactions = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._watchdog = Watchdog(options.timeout)
        self._hand = pool.Hand(self._engine, self._watchdog)
        self._listener = Listener(options)
        self._bell = Bell(options)
        self._clock = threading.RLock()  # a handler may enqueue in the middle of it
        self._offset = 0.0
        self._asked_at: float | None = None

    @contextmanager
    def reading(self) -> Generator[Connection]:
        self._hand.let_go()
        with self._engine.connect() as connection, self._watchdog.watching(_driver(connection)):
            yield connection

    def single(self) -> AbstractContextManager[Connection]:
        return self.reading()  # where each statement is a transaction

    @contextmanager
    def writing(self) -> Generator[Connection]:
        self._hand.let_go()
        with (
            self._transactions.connect() as connection,
            self._watchdog.watching(_driver(connection)),
            connection.begin(),
        ):
            yield connection

    def insert_one(self, statement: str, values: Sequence[Any]) -> bool:
        self._hand.execute(statement.encode(), values, self._ring)
        return True

    def put_off(self, act: Callable[[], object]) -> bool:
        del act
        return False  # each connection writes on its own

    def is_another(self) -> bool:
        return False

    def is_there(self) -> bool:
        return True  # jobkit makes none

    @contextmanager
    def migrating(self) -> Generator[Connection]:
        self._hand.let_go()
        with self._transactions.begin() as connection:
            yield connection

    def time(self) -> float:
        """The server's time, by this machine's steady clock since it was last asked."""
        with self._clock:
            now = time.monotonic()
            if self._asked_at is None or now - self._asked_at > _CLOCK_HOLDS:
                self._offset = self._server_time() - time.monotonic()
                self._asked_at = now = time.monotonic()
            return self._offset + now

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        del queues  # whoever hears the bell looks for himself
        self._listener.wait(timeout)

    def take_in(self) -> None:
        self._listener.take_in()

    def announce(self) -> None:
        if self._bell.is_due():
            # What was stored is stored: who does not hear of it looks by himself.
            with (
                suppress(SQLAlchemyError),
                self._hand.borrowed() as cursor,
                self._watchdog.watching(cursor.connection),
            ):
                cursor.execute(self._bell.ring.text.encode())

    def _ring(self, cursor: psycopg.Cursor) -> None:
        if self._bell.is_due():
            with suppress(psycopg.Error):  # as in `announce`
                cursor.execute(self._bell.ring.text.encode())

    def close(self) -> None:
        self._listener.close()
        self._watchdog.close()
        self._hand.let_go()
        self._engine.dispose()

    def _server_time(self) -> float:
        with self.reading() as connection:
            return float(connection.scalar(_NOW) or 0.0)


def _driver(connection: Connection) -> psycopg.Connection:
    return cast("psycopg.Connection", connection.connection.driver_connection)
