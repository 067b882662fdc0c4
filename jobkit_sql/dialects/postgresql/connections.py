"""One process's connections to a PostgreSQL database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.resources import files
from typing import Any, Final, cast

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from jobkit_sql.dialect import Lent
from jobkit_sql.dialects.postgresql import pool
from jobkit_sql.dialects.postgresql.listening import Bell, Listener
from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.dialects.postgresql.session import Session, Statement, array, statement_of
from jobkit_sql.dialects.postgresql.watchdog import Watchdog

__all__ = ["Connections"]

_CLOCK_HOLDS: Final = 5.0
"""Seconds for which the server's time is counted on from here before it is asked again."""

_NOW: Final = statement_of("SELECT extract(epoch FROM clock_timestamp())::double precision")


class Connections:
    """The `Database` of a server: a pool of our own, and one connection more that listens."""

    def __init__(self, options: Options) -> None:
        self._engine = pool.made(options)
        self._claim = _statement("claim", options)
        self._ack = _statement("ack", options)
        # Said with each BEGIN, whatever the database's default: a statement that waited for a lock
        # must see what the other one committed.
        self._transactions = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._watchdog = Watchdog(options.timeout)
        self._hand = pool.Hand(self._engine, self._watchdog, prepare=options.prepare)
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
        def store(session: Session) -> None:
            session.execute(statement_of(statement), values)
            if self._bell.is_due():
                self._ring(session)

        self._hand.do(store)
        return True

    def lend(
        self, worker: str, queues: Sequence[str], most: int, now: float, token: str
    ) -> Sequence[Lent]:
        values = (worker, array(queues), most, now, token)
        rows = self._hand.do(lambda session: session.rows(self._claim, values))
        return [_lent(*row) for row in rows]

    def ack(self, receipts: Sequence[str], today: str) -> set[int]:
        values = (",".join(receipts), today)
        rows = self._hand.do(lambda session: session.rows(self._ack, values))
        return {int(key) for (key,) in rows if key}

    def put_off(self, act: Callable[[], object]) -> bool:
        del act
        return False  # each connection writes on its own

    def is_another(self) -> bool:
        return False

    def begin_anew(self) -> None:
        """Nothing: it never is."""

    def note(self) -> None:
        """Nothing, as above."""

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

    def hang_up(self) -> None:
        self._listener.close()

    def announce(self) -> None:
        if self._bell.is_due():
            with suppress(SQLAlchemyError):
                self._hand.do(self._ring)

    def _ring(self, session: Session) -> None:
        # What was stored is stored: who does not hear of it looks by himself.
        with suppress(psycopg.Error):
            session.execute(self._bell.ring, ())

    def close(self) -> None:
        self._listener.close()
        self._watchdog.close()
        self._hand.let_go()
        self._engine.dispose()

    def _server_time(self) -> float:
        [[now]] = self._hand.do(lambda session: session.rows(_NOW, ()))
        return float(now or 0.0)


def _statement(name: str, options: Options) -> Statement:
    """That of a file; a schema's name was checked where the URL was read."""
    prefix = "" if options.schema is None else f'"{options.schema}".'
    names = {each: f"{prefix}jobkit_{each}" for each in ("jobs", "workers", "paused", "stats")}
    source = (files("jobkit_sql.dialects.postgresql") / f"{name}.sql").read_text("utf-8")
    return statement_of(options.naming(source.format(**names)), name)


def _lent(key: str | None, text: str | None, loans: str | None) -> Lent:
    return (None, "", 0) if key is None else (int(key), text or "", int(loans or 0))


def _driver(connection: Connection) -> psycopg.Connection:
    return cast("psycopg.Connection", connection.connection.driver_connection)
