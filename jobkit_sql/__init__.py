"""The SQL adapter, for SQLite and PostgreSQL."""

from jobkit_sql.adapter import SqlAdapter

__all__ = ["SqlAdapter"]
