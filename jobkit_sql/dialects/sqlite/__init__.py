"""SQLite: one file on this machine, one writer at a time."""

from jobkit_sql.dialects.sqlite.dialect import Sqlite

__all__ = ["Sqlite"]
