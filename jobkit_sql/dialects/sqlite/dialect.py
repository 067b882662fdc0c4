"""What SQLite spells or does in its own way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Select,
    Table,
    Text,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy import Dialect as EngineDialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeDecorator, TypeEngine

from jobkit.errors import ConfigurationError
from jobkit_sql.dialect import Database
from jobkit_sql.dialects.sqlite.connections import Connections
from jobkit_sql.dialects.sqlite.faults import MovedError, code_of, explained
from jobkit_sql.dialects.sqlite.patience import execute_patiently
from jobkit_sql.dialects.sqlite.turns import turn_of
from jobkit_sql.naming import USUAL, Naming
from jobkit_sql.tables import WRITE_NOTHING

__all__ = ["Sqlite"]

_OPTIONS: Final = frozenset({"cache", "cached_statements", "mode", "nolock", "psow", "uri", "vfs"})


_PAGE: Final = 2_048
"""Bytes of a page in a file that is made here.

A commit writes each page that it touched as a whole, with its checksum, and a job that is stored
alone touches four. Smaller ones hold too few rows: many jobs at once would cost more.
"""

_ROWS: Final = 100
"""Rows of one insert; older libraries take no more than 999 parameters."""


class Sqlite:
    """The dialect for one file. Raises ConfigurationError for a URL that cannot be used."""

    name = "sqlite"
    embedded = True
    schema = None

    def __init__(self, url: URL) -> None:
        url, self.naming = _named(url)
        _check(url)
        self._file = _file(url)
        # Made absolute once, so that a process that changes its directory keeps its file.
        self._url = url if _is_uri(url) else url.set(database=str(self._file))

    def open(self) -> Database:
        return Connections(self._url, self._file, self.naming)

    def prepare(self, connection: Connection) -> None:
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal":
            return
        with turn_of(self._file).held():
            _write_ahead(connection)

    def before_migrating(self, connection: Connection) -> None:
        """Nothing: whoever writes is alone."""

    def leads_here(
        self, connection: Connection, reading: Callable[[], AbstractContextManager[Connection]]
    ) -> bool:
        del reading  # the file tells
        if connection.dialect.name != self.name:
            return False
        attached = connection.exec_driver_sql("PRAGMA database_list").all()
        return any(_is_same(file, self._file) for _, name, file in attached if name == "main")

    def hindrances(self, connection: Connection) -> Sequence[str]:
        return ()

    def seize(self, connection: Connection) -> None:
        connection.execute(WRITE_NOTHING)

    def announce_through(self, connection: Connection) -> None:
        """Nothing: whoever waits sees that the file was written to."""

    def explain(self, error: Exception) -> str:
        return explained(error, self._file)

    def was_undone(self, error: Exception) -> bool:
        return isinstance(error, MovedError)  # else never: writers wait for their turn

    def insert_new(self, table: Table) -> Insert:
        return sqlite.insert(table).on_conflict_do_nothing()

    def adding(self, table: Table, *numbers: str) -> Insert:
        insert = sqlite.insert(table)
        sums = {name: table.c[name] + insert.excluded[name] for name in numbers}
        return insert.on_conflict_do_update(index_elements=[*table.primary_key], set_=sums)

    def inserting(
        self, table: Table, columns: Sequence[str]
    ) -> Callable[[Connection, Sequence[Mapping[str, Any]]], object]:
        """By the driver alone: to have many rows processed costs more than to store them.

        A hundred rows a statement: each reads and writes the counter of keys, however few it has.
        """
        one, many = _inserting(table, columns, 1), _inserting(table, columns, _ROWS)
        row_of = itemgetter(*columns)

        def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
            whole = len(rows) - len(rows) % _ROWS
            for start in range(0, whole, _ROWS):
                values = chain.from_iterable(map(row_of, rows[start : start + _ROWS]))
                connection.exec_driver_sql(many, tuple(values))
            if whole < len(rows):
                connection.exec_driver_sql(one, [*map(row_of, rows[whole:])])

        return insert

    def inserting_alike(
        self, table: Table, common: Sequence[str], own: Sequence[str]
    ) -> Callable[[Connection, Sequence[Any], Sequence[Sequence[str]]], object]:
        """As `inserting`, with fewer values to be handed over, each of which costs."""
        one, many = (_inserting_alike(table, common, own, rows) for rows in (1, _ROWS))

        def insert(
            connection: Connection, values: Sequence[Any], columns: Sequence[Sequence[str]]
        ) -> None:
            rows = list(zip(*columns, strict=True))
            whole = len(rows) - len(rows) % _ROWS
            for start in range(0, whole, _ROWS):
                those = chain.from_iterable(rows[start : start + _ROWS])
                connection.exec_driver_sql(many, (*values, *those))
            if whole < len(rows):
                connection.exec_driver_sql(one, [(*values, *row) for row in rows[whole:]])

        return insert

    def inserting_one(self, table: Table, columns: Sequence[str]) -> str:
        return self.naming(_inserting(table, columns, 1))

    def each(self, parameter: str, type_: TypeEngine[Any]) -> FromClause:
        listed = func.json_each(bindparam(parameter, type_=_JsonList()))
        return listed.table_valued(column("value", type_), name=f"each_{parameter}")

    def one_of(self, column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
        return column.in_(select(self.each(parameter, column.type).c.value))

    def found_by(self, column: ColumnElement[Any], rows: Select[Any]) -> ColumnElement[bool]:
        return column.in_(rows)

    def contains(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        return func.instr(column, bindparam(parameter, type_=Text())) > 0


def _write_ahead(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA page_size={_PAGE}")  # of a file that is empty yet
    try:
        execute_patiently(connection, "PRAGMA journal_mode=WAL")
    except OperationalError as error:
        if not code_of(error).startswith("SQLITE_READONLY"):
            raise


def _inserting(table: Table, columns: Sequence[str], rows: int) -> str:
    return f"{_into(table, columns)} {_values(columns, rows)} ON CONFLICT DO NOTHING"


def _inserting_alike(table: Table, common: Sequence[str], own: Sequence[str], rows: int) -> str:
    into = _into(table, [*common, *own])
    found = ", ".join([*("?" for _ in common), *(f"column{n + 1}" for n in range(len(own)))])
    # WHERE, or the parser would take ON for a join's.
    given = f"FROM ({_values(own, rows)}) WHERE true"
    return f"{into} SELECT {found} {given} ON CONFLICT DO NOTHING"


def _into(table: Table, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(table.c[each].name for each in columns)})"


def _values(columns: Sequence[str], rows: int) -> str:
    row = ", ".join("?" for _ in columns)
    return f"VALUES {', '.join(f'({row})' for _ in range(rows))}"


class _JsonList(TypeDecorator[Sequence[Any]]):
    """A list of texts or whole numbers, sent as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, dialect: EngineDialect) -> str:
        del dialect
        return json.dumps(list(value or ()))


def _is_same(file: str, ours: Path) -> bool:
    if not file:
        return False  # a database in memory
    try:
        return ours.samefile(file)
    except FileNotFoundError:  # neither has been written to yet
        return ours.resolve() == Path(file).resolve()


def _named(url: URL) -> tuple[URL, Naming]:
    """The URL as the driver takes it, and what it says of the tables' names."""
    prefix = url.query.get("prefix")
    if prefix is None:
        return url, USUAL
    if not isinstance(prefix, str):
        raise ConfigurationError("the URL has prefix more than once")
    return url.difference_update_query(["prefix"]), Naming(prefix)


def _check(url: URL) -> None:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigurationError(f"{url.drivername}:// cannot be used: write sqlite:///file")
    database = url.database or ""
    if database in ("", ":memory:", "file::memory:") or url.query.get("mode") == "memory":
        raise ConfigurationError(
            "a SQLite database in memory cannot be shared with worker processes:"
            " name a file (sqlite:///jobkit.db), or use memory:// in tests"
        )
    unknown = sorted(set(url.query) - _OPTIONS)
    if unknown and not _is_uri(url):
        raise ConfigurationError(
            f"the SQLite URL has options that jobkit does not take: {', '.join(unknown)}"
        )


def _is_uri(url: URL) -> bool:
    return (url.database or "").startswith("file:")


def _file(url: URL) -> Path:
    return Path((url.database or "").removeprefix("file:")).absolute()
