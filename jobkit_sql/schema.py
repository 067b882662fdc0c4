"""Numbered migrations, forward only: those there are, and those a database has."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from sqlalchemy import Connection, func, inspect, select

from jobkit_sql.naming import USUAL, Naming
from jobkit_sql.tables import schema

__all__ = ["Migration", "Schema"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `sql` records its own version at the end."""

    version: int
    name: str
    sql: str

    @property
    def statements(self) -> list[str]:
        """The statements one by one. In the files a `;` ends a line only where it ends one."""
        return [part for part in self.sql.split(";\n") if part.strip()]


class Schema:
    """The migrations of one dialect, in order."""

    def __init__(
        self, dialect_name: str, schema_name: str | None = None, naming: Naming = USUAL
    ) -> None:
        self._name = schema_name
        self._naming = naming
        folder = files("jobkit_sql") / "migrations" / dialect_name
        found = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
        self.migrations = tuple(
            Migration(int(name[:4]), name.removesuffix(".sql"), (folder / name).read_text("utf-8"))
            for name in found
        )

    @property
    def latest(self) -> int:
        """The version this code works with."""
        return self.migrations[-1].version

    @property
    def sql(self) -> str:
        """All migrations as a script to run by hand."""
        return "\n".join(f"-- {each.name}\n{self._naming(each.sql)}" for each in self.migrations)

    def version(self, connection: Connection) -> int:
        """The database's version; 0 when it has no jobkit tables."""
        if not inspect(connection).has_table(self._naming(schema.name), schema=self._name):
            return 0
        return connection.scalar(select(func.max(schema.c.version))) or 0

    def upgrade(self, connection: Connection) -> list[str]:
        """Apply what is missing, in the connection's transaction; the names of what was applied.

        The names of tables are the connection's to change, see `Naming`.
        """
        # Read again under the write lock: another process may have been faster.
        version = self.version(connection)
        missing = [each for each in self.migrations if each.version > version]
        for migration in missing:
            for statement in migration.statements:
                connection.exec_driver_sql(statement)
        return [migration.name for migration in missing]
