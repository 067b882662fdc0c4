"""The SQL adapter: SQLite, with the seam that PostgreSQL will use."""

from jobkit_sql.adapter import SqlAdapter

__all__ = ["SqlAdapter"]
