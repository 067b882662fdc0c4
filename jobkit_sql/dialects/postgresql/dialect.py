"""What is different about PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.resources import files
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Insert,
    Table,
    Text,
    TextClause,
    bindparam,
    column,
    func,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from jobkit_sql.dialect import Database
from jobkit_sql.dialects.postgresql.connections import Connections
from jobkit_sql.dialects.postgresql.faults import explained
from jobkit_sql.dialects.postgresql.listening import Bell
from jobkit_sql.dialects.postgresql.options import Options

__all__ = ["Postgresql"]

_MIGRATING = 7_436_901_120_045
"""Of jobkit alone; held to the end of a migration, by a transaction, which poolers allow."""


# The server since its last start, the database in it, and the table itself, which a search path of
# the application's own may hide. Three facts that no copy of a database has in common with it.
_IDENTITY = text(
    "SELECT pg_postmaster_start_time() AS started,"
    " (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,"
    " to_regclass(:name)::oid AS jobs"
).bindparams(bindparam("name", type_=Text()))


def _claim(schema: str | None) -> TextClause:
    """The statement of `claim.sql`; a schema's name was checked where the URL was read."""
    prefix = "" if schema is None else f'"{schema}".'
    names = {name: f"{prefix}jobkit_{name}" for name in ("jobs", "workers", "paused")}
    source = (files("jobkit_sql.dialects.postgresql") / "claim.sql").read_text("utf-8")
    return text(source.format(**names)).bindparams(
        bindparam("borrower", type_=Text()),
        bindparam("queues", type_=postgresql.ARRAY(Text())),
        bindparam("most", type_=BigInteger()),
        bindparam("now", type_=Double()),
        bindparam("token", type_=Text()),
    )


class Postgresql:
    """The dialect for one database. Raises ConfigurationError for a URL that cannot be used."""

    name = "postgresql"
    embedded = False

    def __init__(self, url: URL) -> None:
        self._options = Options.of(url)
        self.claim = _claim(self._options.schema)
        self._ring = Bell(self._options).ring

    @property
    def schema(self) -> str | None:
        return self._options.schema

    def open(self) -> Database:
        return Connections(self._options)

    def prepare(self, connection: Connection) -> None:
        """Nothing: a server is fit for work."""

    def before_migrating(self, connection: Connection) -> None:
        lock = text("SELECT pg_advisory_xact_lock(:jobkit)")
        connection.execute(lock.bindparams(bindparam("jobkit", _MIGRATING, BigInteger())))
        if self.schema is not None:  # an identifier, checked where the URL was read
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            connection.exec_driver_sql(f'SET LOCAL search_path TO "{self.schema}"')

    def leads_here(
        self, connection: Connection, reading: Callable[[], AbstractContextManager[Connection]]
    ) -> bool:
        if connection.dialect.name != self.name:
            return False
        table = "jobkit_jobs" if self.schema is None else f'"{self.schema}".jobkit_jobs'
        theirs = connection.execute(_IDENTITY, {"name": table}).one()
        if theirs.jobs is None:
            return False
        with reading() as own:
            return tuple(own.execute(_IDENTITY, {"name": table}).one()) == tuple(theirs)

    def seize(self, connection: Connection) -> None:
        """Nothing: rows are locked as they are read."""

    def announce_through(self, connection: Connection) -> None:
        # Not now and then, as the bell: who rang a moment ago may have committed long before.
        connection.execute(self._ring)

    def explain(self, error: Exception) -> str:
        return explained(error, self._options.url)

    def insert_new(self, table: Table) -> Insert:
        return postgresql.insert(table).on_conflict_do_nothing()

    def each(self, parameter: str, type_: TypeEngine[Any]) -> FromClause:
        listed = func.unnest(bindparam(parameter, type_=postgresql.ARRAY(type_)))
        named = listed.table_valued(column("value", type_), name=f"each_{parameter}")
        return named.render_derived()

    def contains(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        return func.strpos(column, bindparam(parameter, type_=Text())) > 0
