"""jobkit's tables in an application's Alembic migrations.

In a migration:

    from alembic import op
    from jobkit_sql.alembic import upgrade as upgrade_jobkit

    def upgrade() -> None:
        upgrade_jobkit(op)

In `env.py`, so that autogenerate does not take the tables for forgotten ones:

    context.configure(..., include_name=jobkit_sql.alembic.include_name)

Where the backend's URL has a `prefix`, it is said here too: `upgrade_jobkit(op, prefix="shop_")`,
and `include_name=hiding("shop_")`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from sqlalchemy import Connection, text

from jobkit.errors import ConfigurationError
from jobkit_sql.naming import USUAL, Naming
from jobkit_sql.schema import Migration, Schema

__all__ = ["Operations", "hiding", "include_name", "upgrade"]

_DIALECTS: Final = ("postgresql", "sqlite")


class Operations(Protocol):
    """What is needed of `alembic.op`, a module, or of an `alembic.operations.Operations`."""

    @property
    def get_bind(self) -> Callable[[], Connection]: ...
    @property
    def get_context(self) -> Callable[[], Any]: ...
    @property
    def execute(self) -> Callable[..., Any]: ...


def upgrade(
    op: Operations,
    *,
    to: int | None = None,
    since: int = 0,
    schema: str | None = None,
    prefix: str | None = None,
) -> list[str]:
    """Bring jobkit's tables to version `to` (default: the one this jobkit works with).

    Call it as a part of a migration of your own, in its transaction; what the database has
    already is left out. In Alembic's offline mode (`--sql`) there is no database to ask, and
    `since` says which version it has. `schema` is PostgreSQL's, as in the backend's URL; it is
    created. `prefix` is what the tables begin with, as in the URL. Returns the names of jobkit's
    migrations that were applied.

    Raises ConfigurationError for a database that jobkit does not store jobs in and for a prefix
    that cannot be used, and ValueError for a version there is not.
    """
    context = op.get_context()
    naming = USUAL if prefix is None else Naming(prefix)
    migrations = _migrations(context.dialect.name, to)
    if context.as_sql:
        missing = [each for each in migrations if each.version > since]
        return _print(op, missing, schema, naming)
    return _apply(op.get_bind(), migrations, schema, naming)


def include_name(name: str | None, type_: str, parent_names: Mapping[str, Any]) -> bool:
    """For `context.configure(include_name=...)`: False for jobkit's tables, True for all else.

    With a filter of your own: `lambda *each: mine(*each) and include_name(*each)`.
    """
    del parent_names
    return not (type_ == "table" and name is not None and name.startswith(USUAL.prefix))


def hiding(prefix: str) -> Callable[[str | None, str, Mapping[str, Any]], bool]:
    """What `include_name` is, for tables with another prefix; your own may begin with it, too.

    Raises ConfigurationError for a prefix that cannot be used.
    """
    tables = Naming(prefix).tables

    def include_name(name: str | None, type_: str, parent_names: Mapping[str, Any]) -> bool:
        del parent_names
        return type_ != "table" or name not in tables

    return include_name


def _migrations(dialect: str, to: int | None) -> tuple[Migration, ...]:
    if dialect not in _DIALECTS:
        raise ConfigurationError(f"jobkit stores no jobs in {dialect}, only in SQLite, PostgreSQL")
    known = Schema(dialect)
    if to is None:
        return known.migrations
    if not 1 <= to <= known.latest:
        raise ValueError(f"jobkit's tables have no version {to}: this jobkit knows {known.latest}")
    return known.migrations[:to]


def _apply(
    connection: Connection, migrations: tuple[Migration, ...], schema: str | None, naming: Naming
) -> list[str]:
    # A savepoint makes one transaction of it even where the driver has begun none.
    with _inside(connection, schema), naming.ruling(connection), connection.begin_nested():
        version = Schema(connection.dialect.name, schema, naming).version(connection)
        missing = [each for each in migrations if each.version > version]
        for migration in missing:
            for statement in migration.statements:
                connection.exec_driver_sql(statement)
    return [migration.name for migration in missing]


@contextmanager
def _inside(connection: Connection, schema: str | None) -> Generator[None]:
    """Unqualified names mean the schema here, and what they meant before afterwards."""
    if schema is None:
        yield
        return
    before = connection.scalar(text("SELECT current_setting('search_path')"))
    for statement in _enter(connection.dialect.identifier_preparer.quote_identifier(schema)):
        connection.exec_driver_sql(statement)
    yield
    restore = text("SELECT set_config('search_path', :before, true)")
    connection.execute(restore, {"before": before})


def _enter(quoted: str) -> list[str]:
    return [f"CREATE SCHEMA IF NOT EXISTS {quoted}", f"SET LOCAL search_path TO {quoted}"]


def _print(
    op: Operations, migrations: list[Migration], schema: str | None, naming: Naming
) -> list[str]:
    statements = [naming(statement) for each in migrations for statement in each.statements]
    if schema is not None:
        quoted = op.get_context().dialect.identifier_preparer.quote_identifier(schema)
        statements = [*_enter(quoted), *statements, "SET LOCAL search_path TO DEFAULT"]
    for statement in statements:
        op.execute(text(statement.replace(":", r"\:")))  # no parameters, only text
    return [migration.name for migration in migrations]
