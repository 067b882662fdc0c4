"""A store as this process uses it: connected, with the right schema, its errors explained."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from jobkit.clock import Clock
from jobkit.errors import AdapterError
from jobkit_sql.dialect import Database, Dialect, Lent
from jobkit_sql.schema import Schema
from jobkit_sql.tables import WRITE_NOTHING

__all__ = ["RowRefused", "Store", "Undone", "again_if_undone"]

P = ParamSpec("P")
T = TypeVar("T")

_PAUSES: Final = (0.01, 0.03, 0.1, 0.3)
_ROW_ERRORS: Final = (DataError, IntegrityError, UnicodeError, OverflowError)


class RowRefused(AdapterError):
    """The store works and does not take this value: trying again cannot help."""


class Undone(AdapterError):
    """The transaction was undone as a whole, by a deadlock for one: the same again will do."""


def again_if_undone(verb: Callable[P, T]) -> Callable[P, T]:
    """The verb, called again after short pauses while its transaction, its only one, is undone."""

    @wraps(verb)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in _PAUSES:
            try:
                return verb(*args, **kwargs)
            except Undone:
                time.sleep(pause * random.uniform(0.5, 1.5))
        return verb(*args, **kwargs)

    return called


class _Home:
    """One process's connections, and whether it has looked at the schema."""

    def __init__(self, dialect: Dialect) -> None:
        self.pid = os.getpid()
        self.database: Database = dialect.open()
        self.ready = False
        self.getting_ready = threading.RLock()  # a handler may enqueue in the middle of it


# What forked children inherited. Kept for ever: a connection that was in use at the fork belongs
# to the parent, and not even the garbage collector may close it here.
_inherited: list[_Home] = []


class Store:
    """Connections for reading and writing, the time, and waiting.

    Whatever the driver raises inside leaves as `AdapterError`. A fork is noticed: the child gets
    connections of its own.
    """

    def __init__(self, dialect: Dialect, clock: Clock | None = None) -> None:
        self.dialect = dialect
        self.schema = Schema(dialect.name, dialect.schema, dialect.naming)
        self._clock = clock
        self._explained = _Explained(dialect)
        self._home = _Home(dialect)

    def time(self) -> float:
        """The store's time in seconds since the epoch, or the clock's if one was given."""
        if self._clock is not None:
            return self._clock.time()
        with self._explained:
            return self._here().database.time()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection for plain reads, see `Database.reading`."""
        with self.explained(), self._ready().reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A connection in a transaction that may write, see `Database.writing`."""
        with self.explained(), self._ready().writing() as connection:
            yield connection

    @contextmanager
    def single(self) -> Generator[Connection]:
        """A connection for one statement that may write, see `Database.single`."""
        with self.explained(), self._ready().single() as connection:
            yield connection

    def insert_one(self, statement: str, row: Callable[[float], Sequence[Any]]) -> bool:
        """See `Database.insert_one`; `row` makes the values from the time.

        False also where the schema is to be looked at first.
        """
        home, clock = self._here(), self._clock
        if not home.ready:
            return False
        with self._explained:
            now = home.database.time() if clock is None else clock.time()
            return home.database.insert_one(statement, row(now))

    def lend(
        self, worker: str, queues: Sequence[str], most: int, now: float, token: str
    ) -> Sequence[Lent] | None:
        """See `Database.lend`."""
        with self._explained:
            return self._ready().lend(worker, queues, most, now, token)

    def ack(self, receipts: Sequence[str], today: str) -> set[int] | None:
        """See `Database.ack`."""
        with self._explained:
            return self._ready().ack(receipts, today)

    def put_off(self, act: Callable[[], object]) -> bool:
        """See `Database.put_off`."""
        return self._here().database.put_off(act)

    @property
    def is_ready(self) -> bool:
        """True when this process has seen, or made, the schema it needs."""
        return self._here().ready

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """Return within `timeout` seconds, earlier when something was stored."""
        with self.explained():
            self._ready().wait(queues, timeout)

    def take_in(self) -> None:
        """See `Database.take_in`."""
        self._here().database.take_in()

    def hang_up(self) -> None:
        """See `Database.hang_up`."""
        self._here().database.hang_up()

    def announce(self) -> None:
        """Wake those who wait on any queue."""
        with self.explained():
            self._here().database.announce()

    def close(self) -> None:
        """Close the connections, if they are this process's own."""
        home = self._home
        if home.pid == os.getpid():
            home.database.close()

    def version(self) -> int:
        """The schema's version in the database, 0 for none."""
        with self.explained(), self._here().database.reading() as connection:
            return self.schema.version(connection)

    def pending(self) -> list[str]:
        """The names of the migrations that the first use applies, unasked. Changes nothing."""
        if not self.dialect.embedded:
            return []
        version = self.version() if self._is_there() else 0
        return [each.name for each in self.schema.migrations if each.version > version]

    def check(self) -> None:
        """Raise AdapterError for what keeps workers from using the database. Changes nothing.

        Takes the write lock, as a worker does, and gives it back.
        """
        if not self._is_there():
            return
        version = self.version()
        if version != self.schema.latest and not (self.dialect.embedded and self.pending()):
            self.demand(version)
        with self.explained(), self._here().database.writing() as connection:
            if version:
                connection.execute(WRITE_NOTHING)

    def _is_there(self) -> bool:
        with self.explained():
            return self._here().database.is_there()

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations that were applied."""
        database = self._here().database
        with self.explained():
            self._prepare(database)
            try:
                return self._migrate(database)
            except SQLAlchemyError:
                # Another process that created the tables at the same moment may have been faster.
                return self._migrate(database)

    def _here(self) -> _Home:
        home = self._home
        if home.pid != os.getpid():
            _inherited.append(home)
            home = self._home = _Home(self.dialect)
        return home

    def _ready(self) -> Database:
        home = self._here()
        if not home.ready or home.database.is_another():
            with home.getting_ready:
                self._get_ready(home)
        return home.database

    def _get_ready(self, home: _Home) -> None:
        if home.ready:
            if not home.database.is_another():  # another thread was faster
                return
            home.ready = False
            home.database.begin_anew()
        version = self._prepare(home.database)
        if version < self.schema.latest and self.dialect.embedded:
            self._migrate(home.database)
        else:
            self.demand(version)
        home.database.note()
        home.ready = True

    def _prepare(self, database: Database) -> int:
        with database.reading() as connection:
            self.dialect.prepare(connection)
            return self.schema.version(connection)

    def _migrate(self, database: Database) -> list[str]:
        with database.migrating() as connection:
            self.dialect.before_migrating(connection)
            applied = self.schema.upgrade(connection)
            self.demand(self.schema.version(connection))
        return applied

    def demand(self, version: int) -> None:
        """Raise AdapterError unless that is the schema's version this code works with."""
        latest = self.schema.latest
        if version > latest:
            raise AdapterError(
                f"the database has jobkit schema {version}, this jobkit knows {latest}:"
                " upgrade jobkit"
            )
        if version < latest:
            raise AdapterError(
                f"the database has jobkit schema {version}, {latest} is needed:"
                " run `jobkit db migrate`"
            )

    def explained(self) -> _Explained:
        """Whatever the driver raises inside leaves as `AdapterError`."""
        return self._explained


class _Explained:
    """The block of `Store.explained`: one for all, since each job that is stored passes several."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, _ROW_ERRORS):
            raise RowRefused(f"the store refuses a value: {_cause(error)}") from error
        if isinstance(error, SQLAlchemyError):
            if self._dialect.was_undone(error):
                raise Undone(self._dialect.explain(error)) from error
            raise AdapterError(self._dialect.explain(error)) from error


def _cause(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
