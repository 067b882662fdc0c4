"""The pool: connections of our own, and how one that died while it lay there is found."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from sqlalchemy import Dialect, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.dialects.postgresql.watchdog import Call, Watchdog

__all__ = ["OVERFLOW", "Hand", "made"]

_WAIT_FOR_ONE: Final = 5.0
"""Seconds a thread waits for a connection of the pool."""

_SILENCE: Final = 2.0
"""Times a call's time-out after which the server ends a transaction in which nothing is said."""

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
    event.listen(engine, "do_connect", _Connecting(options.timeout))
    event.listen(engine, "checkout", _check)
    options.naming.rule(engine)
    if options.schema is None:
        return engine
    return engine.execution_options(schema_translate_map={None: options.schema})


@dataclass(frozen=True, slots=True)
class _Held:
    """A connection of the pool's, and what is asked of it for each statement."""

    pooled: PoolProxiedConnection
    cursor: psycopg.Cursor
    pgconn: PGconn
    answers: select.poll
    """Tells whether there is something to read."""


class Hand:
    """Cursors on connections of an engine's pool, as the driver has them, for single statements.

    The one that was used last stays in the hand until the pool is asked for one: to take it from
    there, give it back and make a cursor costs half of what the statement does, and by a
    `Connection` of the engine's as much again.
    """

    def __init__(self, engine: Engine, watchdog: Watchdog) -> None:
        self._engine = engine
        self._watchdog = watchdog
        self._kept: deque[_Held] = deque()

    def execute(
        self, statement: bytes, values: Sequence[Any], also: Callable[[psycopg.Cursor], object]
    ) -> None:
        """Execute it on one that lives and do something else with it, watched.

        Errors are as those of `borrowed`. Without blocks made of generators: they cost as much as
        all they do.
        """
        held: _Held | None = None
        call: Call | None = None
        try:
            held = self._taken()
            call = self._watchdog.call(held.cursor.connection)
            self._watchdog.watch(call)
            held.cursor.execute(statement, values)
            also(held.cursor)
        except psycopg.Error as error:
            if call is not None and call.was_cancelled:
                raise self._watchdog.unanswered() from error
            raise _told(error) from error
        finally:
            if call is not None:
                self._watchdog.ended(call)
            if held is not None:
                self._give_back(held)

    @contextmanager
    def borrowed(self) -> Generator[psycopg.Cursor]:
        """A cursor on a connection that lives. Errors are those that the engine would raise."""
        held: _Held | None = None
        try:
            held = self._taken()
            yield held.cursor
        except psycopg.Error as error:
            raise _told(error) from error
        finally:
            if held is not None:
                self._give_back(held)

    def let_go(self) -> None:
        """Give the pool what is in the hand: there shall not be two where one would do."""
        if self._kept:
            with suppress(IndexError):  # another thread was quicker
                while True:
                    self._kept.pop().pooled.close()

    def _taken(self) -> _Held:
        try:
            held = self._kept.pop()
        except IndexError:
            return self._fresh()
        if held.pgconn.status == ConnStatus.OK and not held.answers.poll(0):  # as `_lives`
            return held
        _give_up(held.pooled)
        return self._fresh()

    def _fresh(self) -> _Held:
        pooled = self._engine.raw_connection()
        connection = cast("psycopg.Connection", pooled.driver_connection)
        return _Held(pooled, connection.cursor(), connection.pgconn, _answers(connection))

    def _give_back(self, held: _Held) -> None:
        # In the middle of an answer when a time limit struck there: nobody may read what is left.
        if held.pgconn.transaction_status != TransactionStatus.IDLE:
            _give_up(held.pooled)
            return
        pool: Any = self._engine.pool
        # Beyond those it keeps somebody may wait for one, whom nothing in the hand would reach.
        if self._kept or pool.overflow() > 0:
            held.pooled.close()
        else:
            self._kept.append(held)


def _give_up(pooled: PoolProxiedConnection) -> None:
    pooled.invalidate()
    pooled.close()


def _told(error: psycopg.Error) -> DBAPIError:
    told = DBAPIError.instance(None, None, error, psycopg.Error, hide_parameters=True)
    return cast("DBAPIError", told)


class _Connecting:
    """Connects, and has the session be as ours need it.

    The server ends a transaction whose process stands still. Else a machine that is suspended in
    the middle of one would keep what it had changed, the day's totals among them, and nobody could
    settle a job until it wakes up.

    The planner gathers no rows by bitmap. Of a table that was not analyzed lately, as after a
    flood, it expects next to nothing in a queue: to gather that and to sort it seems as good as to
    walk the index and stop, and each claim would sort all that waits.

    Both are said at the start of a connection: whoever is no server but a pooler refuses them, and
    then does without.
    """

    def __init__(self, timeout: float) -> None:
        milliseconds = max(1, round(timeout * _SILENCE * 1_000))
        settings = (
            f"idle_in_transaction_session_timeout={milliseconds}",
            "enable_bitmapscan=off",
        )
        self._settings = " ".join(f"-c {each}" for each in settings)
        self._are_taken = True

    def __call__(
        self, dialect: Dialect, _: object, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        own = options.get("options")
        if self._are_taken and own is None:
            try:
                return dialect.connect(*args, **options, options=self._settings)
            except psycopg.OperationalError as error:
                if "startup parameter" not in str(error):
                    raise
                self._are_taken = False
        return dialect.connect(*args, **options)


def _check(connection: psycopg.Connection, *_: object) -> None:
    """Have the pool replace a dead connection before anything is sent on it.

    Nothing was executed: nobody needs to know.
    """
    if not _lives(connection):
        raise DisconnectionError


def _lives(connection: psycopg.Connection) -> bool:
    """Whether it can be used still, as far as can be seen from here.

    A server that ended a connection has said so or hung up, and a look at the socket tells that
    there is something to read, without a round trip. Some news are good, that a setting changed
    for one; they are too rare to be read.
    """
    if connection.closed:
        return False
    return not _answers(connection).poll(0)


def _answers(connection: psycopg.Connection) -> select.poll:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return poll
