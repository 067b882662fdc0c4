"""The pool: connections of our own, and how one that died while it lay there is found."""

from __future__ import annotations

import select
from typing import Any, Final

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from jobkit_sql.dialects.postgresql.options import Options

__all__ = ["OVERFLOW", "made"]

_WAIT_FOR_ONE: Final = 5.0
"""Seconds a thread waits for a connection of the pool."""

OVERFLOW: Final = 20
"""Connections beyond those that are kept; the application's threads enqueue when they like."""


def made(options: Options) -> Engine:
    """The engine with its pool; nothing is connected yet."""
    # No session state: a pooler between us and the server may give each transaction another one.
    driver: dict[str, Any] = {} if options.prepare else {"prepare_threshold": None}
    engine = create_engine(
        options.url,
        connect_args=driver,
        isolation_level="AUTOCOMMIT",
        pool_size=options.pool_size,
        max_overflow=OVERFLOW,
        pool_timeout=_WAIT_FOR_ONE,
        pool_use_lifo=True,  # those that are not needed fall asleep
        hide_parameters=True,  # errors are logged, arguments of jobs are not
    )
    event.listen(engine, "checkout", _check)
    options.naming.rule(engine)
    if options.schema is None:
        return engine
    return engine.execution_options(schema_translate_map={None: options.schema})


def _check(connection: psycopg.Connection, *_: object) -> None:
    """Have the pool replace a dead connection before anything is sent on it.

    A server that ended a connection has said so or hung up, and a look at the socket tells that
    there is something to read, without a round trip. Nothing was executed: nobody needs to know.
    """
    if connection.closed:
        raise DisconnectionError
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    # Some news are good, that a setting changed for one; they are too rare to be read.
    if poll.poll(0):
        raise DisconnectionError
