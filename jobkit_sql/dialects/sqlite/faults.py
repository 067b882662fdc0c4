"""SQLite's errors in sentences: which file, what is wrong, what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

__all__ = ["MovedError", "code_of", "explained", "not_opened"]

_TEXTS: Final = {
    "SQLITE_BUSY_SNAPSHOT": "was written by another transaction since the one given to enqueue_in"
    " or complete_in began to read, so that this one cannot write any more: roll it back and try"
    " again, or have it begin with BEGIN IMMEDIATE",
    "SQLITE_BUSY": "is locked: another process has kept a write transaction open for too long;"
    " end that process or make its transactions shorter; if the transaction is this program's own,"
    " store jobs in it, with jobkit.enqueue_in",
    "SQLITE_LOCKED": "is locked by another connection of this process: end its transaction",
    "SQLITE_NOTADB": "is not a SQLite database: move that file away or name another one",
    "SQLITE_CORRUPT": "is damaged: stop every worker and restore it from a backup",
    "SQLITE_FULL": "cannot grow, the disk is full: free some space",
    "SQLITE_READONLY_DBMOVED": "was moved or removed while it was open: restart this process",
    "SQLITE_READONLY": "cannot be written: let this user write the file and its directory",
    "SQLITE_IOERR": "could not be read or written: look for disk errors in the system's log",
    "SQLITE_PERM": "may not be opened by this user: change its permissions",
}


class MovedError(SQLAlchemyError):
    """The file was deleted or replaced in the middle of a transaction, which was rolled back."""


def code_of(error: BaseException) -> str:
    """SQLite's name for the error, extended codes included; "" when it is none of SQLite's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorname", "") if isinstance(cause, sqlite3.Error) else ""


def explained(error: Exception, file: Path) -> str:
    """The error as one sentence about the file."""
    if isinstance(error, PoolTimeout):
        return f"{file} is read by too many threads at once: no connection became free in time"
    if isinstance(error, MovedError):
        return f"{file} was deleted or replaced meanwhile: try again"
    code = code_of(error)
    if code.startswith("SQLITE_CANTOPEN"):
        return not_opened(file)
    for prefix, text in _TEXTS.items():
        if code.startswith(prefix):
            return f"{file} {text}"
    return f"{file}: {error.orig if isinstance(error, DBAPIError) else error}"


def not_opened(file: Path) -> str:
    """Why a file cannot be opened, as far as one can see."""
    if not file.parent.is_dir():
        return f"{file} cannot be opened: there is no directory {file.parent}, create it"
    if file.is_dir():
        return f"{file} cannot be opened: it is a directory, name a file in it"
    return f"{file} cannot be opened: let this user read and write the file and its directory"
