"""What is different about PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Insert,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from jobkit.errors import ConfigurationError
from jobkit_sql.dialect import Database
from jobkit_sql.dialects.postgresql.connections import Connections
from jobkit_sql.dialects.postgresql.faults import explained, place, was_undone
from jobkit_sql.dialects.postgresql.listening import Bell
from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.naming import Naming
from jobkit_sql.tables import jobs, schema

__all__ = ["Postgresql"]


_MAX_CONNECTIONS: Final = text("SELECT current_setting('max_connections')")


# The server since its last start, the database in it, and the table itself, which a search path of
# the application's own may hide. Three facts that no copy of a database has in common with it.
_IDENTITY = text(
    "SELECT pg_postmaster_start_time() AS started,"
    " (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,"
    " to_regclass(:name)::oid AS jobs"
).bindparams(bindparam("name", type_=Text()))


# What a role may not see of others' sessions is NULL here, and is not found.
_LEFT_OPEN: Final = text(
    "SELECT pid, usename, extract(epoch FROM clock_timestamp() - xact_start) AS seconds"
    " FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"
    " AND xact_start < clock_timestamp() - make_interval(secs => :seconds)"
    " ORDER BY xact_start LIMIT 3"
).bindparams(bindparam("seconds", type_=Double()))

_OLDEST: Final = 13
"""The first version whose servers are served; a claim is a syntax error before 12."""

LEFT_OPEN: Final = 30.0
"""Seconds after which a transaction is told of: it keeps dead rows from being removed."""


class Postgresql:
    """The dialect for one database. Raises ConfigurationError for a URL that cannot be used."""

    name = "postgresql"
    embedded = False

    def __init__(self, url: URL) -> None:
        self._options = Options.of(url)
        self._ring = text(Bell(self._options).ring.text.decode())

    @property
    def schema(self) -> str | None:
        return self._options.schema

    @property
    def naming(self) -> Naming:
        return self._options.naming

    def open(self) -> Database:
        return Connections(self._options)

    def prepare(self, connection: Connection) -> None:
        version = connection.dialect.server_version_info or (_OLDEST,)
        if version < (_OLDEST,):
            raise ConfigurationError(
                f"{place(self._options.url)} is PostgreSQL {'.'.join(map(str, version))}:"
                f" jobkit needs {_OLDEST} or newer"
            )
        most = int(connection.scalar(_MAX_CONNECTIONS) or 0)
        if self._options.pool_size >= most:
            raise ConfigurationError(
                f"pool_size={self._options.pool_size} is too much for"
                f" {place(self._options.url)}, which allows {most} connections in all"
            )

    def before_migrating(self, connection: Connection) -> None:
        if self.schema is not None:  # an identifier, checked where the URL was read
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            connection.exec_driver_sql(f'SET LOCAL search_path TO "{self.schema}"')
        # Workers go on: they only read it. Those who create it meet in the catalogue.
        if inspect(connection).has_table(self.naming(schema.name), schema=self.schema):
            connection.exec_driver_sql(f"LOCK TABLE {schema.name} IN SHARE ROW EXCLUSIVE MODE")

    def leads_here(
        self, connection: Connection, reading: Callable[[], AbstractContextManager[Connection]]
    ) -> bool:
        if connection.dialect.name != self.name:
            return False
        table = self.naming(jobs.name)
        if self.schema is not None:
            table = f'"{self.schema}".{table}'
        theirs = connection.execute(_IDENTITY, {"name": table}).one()
        if theirs.jobs is None:
            return False
        with reading() as own:
            return tuple(own.execute(_IDENTITY, {"name": table}).one()) == tuple(theirs)

    def hindrances(self, connection: Connection) -> Sequence[str]:
        found = connection.execute(_LEFT_OPEN, {"seconds": LEFT_OPEN})
        return [
            f"a transaction (pid {row.pid}, user {row.usename}) has been open for"
            f" {row.seconds:.0f} s: while it is, dead rows are kept and claims grow slower; end it,"
            " or set idle_in_transaction_session_timeout"
            for row in found
        ]

    def seize(self, connection: Connection) -> None:
        """Nothing: rows are locked as they are read."""

    def announce_through(self, connection: Connection) -> None:
        # Not now and then, as the bell: who rang a moment ago may have committed long before.
        connection.execute(self._ring)

    def explain(self, error: Exception) -> str:
        return explained(error, self._options.url)

    def was_undone(self, error: Exception) -> bool:
        return was_undone(error)

    def insert_new(self, table: Table) -> Insert:
        return postgresql.insert(table).on_conflict_do_nothing()

    def adding(self, table: Table, *numbers: str) -> Insert:
        insert = postgresql.insert(table)
        sums = {name: table.c[name] + insert.excluded[name] for name in numbers}
        return insert.on_conflict_do_update(index_elements=[*table.primary_key], set_=sums)

    def inserting(
        self, table: Table, columns: Sequence[str]
    ) -> Callable[[Connection, Sequence[Mapping[str, Any]]], object]:
        """One row as it is, more as one text of JSON: the driver writes arrays slowly."""
        parameter = cast(bindparam("rows", type_=Text()), postgresql.JSON())
        listed = func.json_to_recordset(parameter)
        given = listed.table_valued(*(column(c, table.c[c].type) for c in columns), name="given")
        rows = select(*given.render_derived(with_types=True).c)
        one = self._compiled(self.insert_new(table).values({c: bindparam(c) for c in columns}))
        many = self._compiled(self.insert_new(table).from_select(columns, rows))

        def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
            if len(rows) == 1:
                connection.exec_driver_sql(one, dict(rows[0]))
            else:
                listed = json.dumps(rows, ensure_ascii=False)
                connection.exec_driver_sql(many, {"rows": listed})

        return insert

    def inserting_alike(
        self, table: Table, common: Sequence[str], own: Sequence[str]
    ) -> Callable[[Connection, Sequence[Any], Sequence[Sequence[str]]], object]:
        """Each column of their own as lines of one text: nothing is written faster, nor read."""
        into = self._into(table, [*common, *own])
        marks = ", ".join("%s" for _ in common)
        lines = ", ".join("string_to_array(%s, chr(10))" for _ in own)
        names = ", ".join(own)
        found = f"{marks}, {names} FROM unnest({lines}) AS given ({names})"
        statement = f"{into} SELECT {found} ON CONFLICT DO NOTHING"

        def insert(
            connection: Connection, values: Sequence[Any], columns: Sequence[Sequence[str]]
        ) -> None:
            connection.exec_driver_sql(statement, (*values, *map("\n".join, columns)))

        return insert

    def inserting_one(self, table: Table, columns: Sequence[str]) -> str:
        marks = ", ".join(f"${nth}" for nth, _ in enumerate(columns, 1))
        into = self._into(table, columns)
        return self.naming(f"{into} VALUES ({marks}) ON CONFLICT DO NOTHING")

    def _into(self, table: Table, columns: Sequence[str]) -> str:
        schema = "" if self.schema is None else f'"{self.schema}".'
        names = ", ".join(table.c[each].name for each in columns)
        return f"INSERT INTO {schema}{table.name} ({names})"

    def _compiled(self, statement: Insert) -> str:
        """What the driver takes, made once: a job that is stored alone costs half of it else."""
        dialect = self._options.url.get_dialect()()
        if self.schema is None:
            return str(statement.compile(dialect=dialect))
        names = {None: self.schema}
        return str(
            statement.compile(
                dialect=dialect, schema_translate_map=names, render_schema_translate=True
            )
        )

    def each(self, parameter: str, type_: TypeEngine[Any]) -> FromClause:
        listed = func.unnest(bindparam(parameter, type_=postgresql.ARRAY(type_)))
        named = listed.table_valued(column("value", type_), name=f"each_{parameter}")
        return named.render_derived()

    def one_of(self, column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
        given = bindparam(parameter, type_=postgresql.ARRAY(column.type))
        return column == any_(given)

    def found_by(self, column: ColumnElement[Any], rows: Select[Any]) -> ColumnElement[bool]:
        found = func.array(rows.scalar_subquery(), type_=postgresql.ARRAY(column.type))
        return column == any_(found)

    def contains(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        return func.strpos(column, bindparam(parameter, type_=Text())) > 0
