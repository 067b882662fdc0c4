"""The pool: connections of our own, and how one that died while it lay there is found."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

import psycopg
from sqlalchemy import Dialect, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.dialects.postgresql.session import Session, answers
from jobkit_sql.dialects.postgresql.watchdog import Call, Watchdog

__all__ = ["OVERFLOW", "Hand", "made"]

T = TypeVar("T")

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


_Held = tuple[PoolProxiedConnection, Session]

_SESSION: Final = "jobkit_session"
"""Where a connection of the pool has its session, for as long as it lives."""


class Hand:
    """Sessions on connections of an engine's pool, for single statements.

    The one that was used last stays in the hand until the pool is asked for one: to take it from
    there and give it back costs half of what the statement does, and by a `Connection` of the
    engine's as much again.
    """

    def __init__(self, engine: Engine, watchdog: Watchdog, *, prepare: bool | None) -> None:
        self._engine = engine
        self._watchdog = watchdog
        self._prepare = prepare
        self._kept: deque[_Held] = deque()

    def do(self, act: Callable[[Session], T]) -> T:
        """Do that with a session that lives, watched. Errors are those that the engine would raise.

        Without blocks made of generators: they cost as much as all they do.
        """
        held: _Held | None = None
        call: Call | None = None
        try:
            held = self._taken()
            call = self._watchdog.call(held[1].connection)
            self._watchdog.watch(call)
            return act(held[1])
        except psycopg.Error as error:
            if call is not None and call.was_cancelled:
                raise self._watchdog.unanswered() from error
            raise _told(error) from error
        finally:
            if call is not None:
                self._watchdog.ended(call)
            if held is not None:
                self._give_back(held)

    def let_go(self) -> None:
        """Give the pool what is in the hand: there shall not be two where one would do."""
        if self._kept:
            with suppress(IndexError):  # another thread was quicker
                while True:
                    self._kept.pop()[0].close()

    def _taken(self) -> _Held:
        try:
            held = self._kept.pop()
        except IndexError:
            return self._fresh()
        if held[1].lives():
            return held
        _give_up(held[0])
        return self._fresh()

    def _fresh(self) -> _Held:
        pooled = self._engine.raw_connection()
        session: Session | None = pooled.info.get(_SESSION)
        if session is None:
            connection = cast("psycopg.Connection", pooled.driver_connection)
            session = pooled.info[_SESSION] = Session(connection, prepare=self._prepare)
        return pooled, session

    def _give_back(self, held: _Held) -> None:
        pooled, session = held
        # In the middle of an answer when a time limit struck there: nobody may read what is left.
        if not session.is_idle():
            _give_up(pooled)
            return
        pool: Any = self._engine.pool
        # Beyond those it keeps somebody may wait for one, whom nothing in the hand would reach.
        if self._kept or pool.overflow() > 0:
            pooled.close()
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
    walk the index and stop, and each claim would sort all that waits. Nor does it read a table as a
    whole where an index will do, as it would a short one: a plan that is kept outlives that. What
    must be read as a whole all the same counts as dear then, before PostgreSQL 18, and would be
    compiled first, which takes ten times as long.

    All are said at the start of a connection: whoever is no server but a pooler refuses them, and
    then does without.
    """

    def __init__(self, timeout: float) -> None:
        milliseconds = max(1, round(timeout * _SILENCE * 1_000))
        settings = (
            f"idle_in_transaction_session_timeout={milliseconds}",
            "enable_bitmapscan=off",
            "enable_seqscan=off",
            "jit=off",
        )
        self._settings = " ".join(f"-c {each}" for each in settings)
        self._are_taken = True

    def __call__(
        self, dialect: Dialect, _: object, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if self._are_taken:
            own = options.get("options", "")  # said last, which counts
            try:
                return dialect.connect(*args, **{**options, "options": f"{self._settings} {own}"})
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
    return not connection.closed and not answers(connection.pgconn).poll(0)
