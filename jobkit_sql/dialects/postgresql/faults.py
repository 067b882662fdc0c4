"""PostgreSQL's errors in sentences: where, what is wrong, what to do."""

from __future__ import annotations

from typing import Final

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from jobkit_sql.dialects.postgresql.watchdog import Unanswered

__all__ = ["explained", "place", "was_undone"]

_UNDONE: Final = frozenset({"25P03", "40001", "40P01", "55P03", "57P01"})
"""Silence in a transaction, serialization failure, deadlock, lock not to be had, connection ended
by an administrator.

Of the last a server tells only whose transaction it has not committed.
"""

_BY_STATE: Final = {
    "28P01": "refuses the password: look at the user and the password in the URL",
    "28000": "refuses this user: look at the user in the URL and at pg_hba.conf",
    "3D000": "has no such database: create it, or name another one in the URL",
    "42501": "does not allow that to this user: grant it the rights on jobkit's tables",
    "42P01": "lacks jobkit's tables: run `jobkit db migrate`",
    "53300": "has no connection left: raise max_connections, or lower pool_size in the URL",
    "53100": "cannot write, its disk is full: free some space",
    "25P03": "ended a transaction of a process that stood still: this will be tried again",
    "25006": "is read-only: name the primary in the URL",
    "57014": "cancelled a statement that took too long: look at statement_timeout and at locks",
    "55P03": "has a lock that was not to be had in time: end the transaction that holds it",
    "40P01": "ended a deadlock: this will be tried again",
    "57P03": "is starting up or shutting down: this will be tried again",
}


# Refusing a connection a server tells its code, which the driver does not pass on.
_BY_WORDS: Final = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    'FATAL:  role "': "28000",
    'FATAL:  database "': "3D000",
    "too many clients": "53300",
    "remaining connection slots": "53300",
    "too many connections for": "53300",
    "the database system is": "57P03",
}


def was_undone(error: Exception) -> bool:
    """True when nothing of the transaction happened and the same again may well do."""
    return _state(error) in _UNDONE


def explained(error: Exception, url: URL) -> str:
    """The error as one sentence about the server. Never shows a password."""
    where = f"the PostgreSQL server {place(url)}"
    if isinstance(error, PoolTimeout):
        return (
            f"{where} is used by too many threads at once: no connection became free in time,"
            " raise pool_size in the URL"
        )
    if isinstance(error, Unanswered):
        return f"{where} gave {error}: look at its load and at locks that somebody holds"
    state = _state(error)
    if state in _BY_STATE:
        return f"{where} {_BY_STATE[state]}"
    cause = error.orig if isinstance(error, DBAPIError) else error
    return f"{where}: {' '.join(str(cause).split())}"


def _state(error: Exception) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    if cause.sqlstate is not None:
        return cause.sqlstate
    said = str(cause)
    return next((state for words, state in _BY_WORDS.items() if words in said), None)


def place(url: URL) -> str:
    """The host, and the port if the URL names one."""
    socket = url.query.get("host")
    host = url.host or (socket if isinstance(socket, str) else None) or "on this machine"
    return f"{host}:{url.port}" if url.port else host
