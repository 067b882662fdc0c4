"""The seam between the statements, written once, and the databases that run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from sqlalchemy import ColumnElement, Connection, FromClause, Insert, Select, Table
from sqlalchemy.types import TypeEngine

from jobkit_sql.naming import Naming

__all__ = ["Database", "Dialect", "Lent"]

Lent: TypeAlias = tuple[int | None, str, int]
"""Key, payload and deliveries of a row that was lent."""


class Database(Protocol):
    """What one process has of a store: its connections. Never carried across a fork."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for plain reads: no lock is taken, each statement sees its own moment."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that may write: committed at the end, or nothing happened.

        What it read does not change before it ends, if the rows were selected for update.
        """
        ...

    def single(self) -> AbstractContextManager[Connection]:
        """A connection for one statement that may write, which is a transaction of its own."""
        ...

    def insert_one(self, statement: str, values: Sequence[Any]) -> bool:
        """Execute it by the driver alone, as a transaction of its own, and wake who waits.

        False: nothing was stored, and a statement on `single` tells why, or succeeds. So it is
        where `is_another` is to be asked, or where `put_off` would not be in vain.
        """
        ...

    def lend(
        self, worker: str, queues: Sequence[str], most: int, now: float, token: str
    ) -> Sequence[Lent] | None:
        """A claim as one statement, where the database can; None has it done step by step.

        The rows that it lent, in their order; one without a key when there are none, and no row
        when the worker is not registered.
        """
        ...

    def ack(self, receipts: Sequence[str], today: str) -> set[int] | None:
        """Remove the running rows of receipts, `key.token`, and count them on a day.

        The keys of those that were held; or None, and nothing was done, where it cannot tell which
        were not.
        """
        ...

    def put_off(self, act: Callable[[], object]) -> bool:
        """Have this done when the write ends in whose middle the calling thread was interrupted.

        By a signal handler or a finalizer, where that write would be waited for in vain. False
        where nothing need be put off, and nothing was.
        """
        ...

    def is_there(self) -> bool:
        """False when the first use makes the database: asking is no use. Changes nothing."""
        ...

    def is_another(self) -> bool:
        """True when it may be another one than was noted: its schema is to be looked at."""
        ...

    def begin_anew(self) -> None:
        """Close what is open, since it is another database than was noted."""
        ...

    def note(self) -> None:
        """What is there now was found to be ready: see `is_another`."""
        ...

    def migrating(self) -> AbstractContextManager[Connection]:
        """As `writing`, for as long as it takes."""
        ...

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """Return within `timeout` seconds, earlier when something was stored.

        What was stored since this thread's previous wait counts, so that a look between two waits
        misses nothing.
        """
        ...

    def take_in(self) -> None:
        """Take what the database says to those who wait while nobody does: now and then."""
        ...

    def hang_up(self) -> None:
        """Have the database say nothing more, until somebody waits again."""
        ...

    def time(self) -> float:
        """The store's own time in seconds since the epoch."""
        ...

    def announce(self) -> None:
        """Wake those who wait: something can be claimed that could not before."""
        ...

    def close(self) -> None:
        """Close what is idle. The next use connects again."""
        ...


class Dialect(Protocol):
    """What differs between databases, and nothing else."""

    @property
    def name(self) -> str:
        """The directory of its migrations."""
        ...

    @property
    def embedded(self) -> bool:
        """True when the store belongs to the application, which creates and migrates it unasked."""
        ...

    @property
    def schema(self) -> str | None:
        """The schema of the tables, None for the usual one."""
        ...

    @property
    def naming(self) -> Naming:
        """What the tables are called; connections of its own see to it."""
        ...

    def open(self) -> Database:
        """New connections for this process; none is made before it is needed."""
        ...

    def prepare(self, connection: Connection) -> None:
        """Make the database fit for work, outside any transaction. Called once per process."""
        ...

    def before_migrating(self, connection: Connection) -> None:
        """In the transaction of a migration, before it: lets one process in at a time."""
        ...

    def leads_here(
        self, connection: Connection, reading: Callable[[], AbstractContextManager[Connection]]
    ) -> bool:
        """True when a connection of the application's leads to this very database.

        Never judged by URL. `reading` gives a connection of our own to ask.
        """
        ...

    def seize(self, connection: Connection) -> None:
        """Make sure that what the connection's transaction reads from here on stays as it is.

        Where rows are locked as they are read there is nothing to do.
        """
        ...

    def announce_through(self, connection: Connection) -> None:
        """Wake those who wait, when the connection's transaction commits."""
        ...

    def hindrances(self, connection: Connection) -> Sequence[str]:
        """What makes the database slow from outside, a sentence each; cheap to ask."""
        ...

    def explain(self, error: Exception) -> str:
        """The driver's error as one sentence without secrets: where, what is wrong, what to do."""
        ...

    def was_undone(self, error: Exception) -> bool:
        """True when the transaction was undone as a whole, and the same again may well do."""
        ...

    def insert_new(self, table: Table) -> Insert:
        """An insert that leaves out rows which are there already."""
        ...

    def adding(self, table: Table, *numbers: str) -> Insert:
        """An insert that adds these columns to those of a row which is there already."""
        ...

    def inserting(
        self, table: Table, columns: Sequence[str]
    ) -> Callable[[Connection, Sequence[Mapping[str, Any]]], object]:
        """What inserts rows with these columns by one statement, as `insert_new` does."""
        ...

    def inserting_one(self, table: Table, columns: Sequence[str]) -> str:
        """The statement that does so for one row, for `Database.insert_one`."""
        ...

    def inserting_alike(
        self, table: Table, common: Sequence[str], own: Sequence[str]
    ) -> Callable[[Connection, Sequence[Any], Sequence[Sequence[str]]], object]:
        """What does so for rows that differ in the columns `own` alone, texts of one line.

        It is given the values that all of them have in common, then for each column of `own` those
        of the rows.
        """
        ...

    def each(self, parameter: str, type_: TypeEngine[Any]) -> FromClause:
        """A list parameter of any length as a table with the one column `value`.

        JSON on SQLite, an array on PostgreSQL: one statement serves every batch.
        """
        ...

    def one_of(self, column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
        """True where the column holds a value of the list parameter, of any length.

        Found by the column's index, one by one. A join to the list reads all rows instead where the
        planner takes them for few, as it does after the table was analyzed while it was empty.
        """
        ...

    def found_by(self, column: ColumnElement[Any], rows: Select[Any]) -> ColumnElement[bool]:
        """True where the column holds a value that the query of this one column finds.

        The query is asked once. `IN` lets PostgreSQL ask it once for each row that is met, so that
        a `LIMIT ... FOR UPDATE SKIP LOCKED` finds others each time, and in the end all.
        """
        ...

    def contains(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        """True where the column holds the parameter's text, which is no pattern."""
        ...
