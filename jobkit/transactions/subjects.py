"""The four kinds of SQLAlchemy object that have a transaction, in one form."""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobkit.errors import Unsupported
from jobkit.transactions.beside import is_beside_the_loop
from jobkit.transactions.connections import ConnectionKeeper
from jobkit.transactions.kept import Kept, send
from jobkit.transactions.sessions import keeper_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    Transactional: TypeAlias = (
        Session
        | Connection
        | AsyncSession
        | AsyncConnection
        | scoped_session[Any]
        | async_scoped_session[Any]
    )
    """What `enqueue_in` and `complete_in` take."""

__all__ = ["Subject", "Transactional", "subject_of"]

T = TypeVar("T")

_ROLLBACK_WITHIN = 5.0


class Subject(ABC):
    """A session or connection of the application's, inside one block."""

    def __init__(self, awaited: AsyncSession | AsyncConnection | None) -> None:
        self._awaited = awaited
        self._loop = None if awaited is None else _running_loop()

    @property
    def is_async(self) -> bool:
        """True when its input and output are awaited on an event loop."""
        return self._awaited is not None

    def is_beside_the_loop(self) -> bool:
        """True where its event loop can be awaited, as inside of `run`."""
        return is_beside_the_loop()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` where it can use the synchronous form; only of asynchronous ones."""
        if self._awaited is None:
            return call()
        return await self._awaited.run_sync(lambda _: call())

    def enter(self) -> None:  # noqa: B027 - a session has nothing to do
        """The block of `enqueue_in` begins."""

    def leave(self, error: BaseException | None) -> None:  # noqa: B027 - as above
        """The block of `enqueue_in` ends, by this error or none."""

    async def leave_awaited(self, error: BaseException | None) -> None:
        """The same, without blocking the event loop."""
        self.leave(error)

    @abstractmethod
    def connection(self) -> Connection:
        """The connection of the transaction that is current; it may be begun by this."""

    def connection_or_none(self) -> Connection | None:
        """The same, None when there is no single database."""
        return self.connection()

    @abstractmethod
    def keep(self, kept: Kept) -> None:
        """Keep it with the innermost transaction, which is begun if there is none."""

    @abstractmethod
    def take(self) -> list[Kept]:
        """End keeping: what was committed and not been told so yet."""

    @abstractmethod
    def roll_back(self) -> None:
        """Roll the whole transaction back."""

    def abandon(self) -> None:
        """Roll back from outside of the block: an asynchronous one on its own loop."""
        loop, awaited = self._loop, self._awaited
        if awaited is None:
            self.roll_back()
        elif loop is not None and loop.is_running():
            awaiting = asyncio.run_coroutine_threadsafe(self.run(self.roll_back), loop)
            awaiting.result(_ROLLBACK_WITHIN)


class SessionSubject(Subject):
    """A Session. What is kept is the session's own business from then on, see `SessionKeeper`."""

    def __init__(self, session: Session, awaited: AsyncSession | None = None) -> None:
        super().__init__(awaited)
        self._session = session

    def connection(self) -> Connection:
        return self._session.connection()

    def connection_or_none(self) -> Connection | None:
        try:
            return self._session.connection()
        except UnboundExecutionError:  # every class has an engine of its own
            return None

    def keep(self, kept: Kept) -> None:
        keeper_of(self._session).keep(self._session, kept)

    def take(self) -> list[Kept]:
        return []

    def roll_back(self) -> None:
        self._session.rollback()


class ConnectionSubject(Subject):
    """A bare Connection: nothing tells that a commit came through, so the block's end must."""

    def __init__(self, connection: Connection, awaited: AsyncConnection | None = None) -> None:
        super().__init__(awaited)
        self._connection = connection
        self._keeper = ConnectionKeeper(connection)
        self._around: RootTransaction | None = None

    def enter(self) -> None:
        self._around = self._connection.get_transaction()

    def leave(self, error: BaseException | None) -> None:
        committed, unfinished = self._keeper.take(), self._keeper.open
        goes_on = self._connection.in_transaction()
        self._keeper.drop_open()
        send(committed)
        if unfinished and goes_on and error is None:
            raise Unsupported(
                "the block of enqueue_in ended before the connection's transaction, so the jobs "
                "kept for its commit were dropped: " + _ENCLOSE
            )

    async def leave_awaited(self, error: BaseException | None) -> None:
        await asyncio.to_thread(self.leave, error)

    def connection(self) -> Connection:
        return self._connection

    def keep(self, kept: Kept) -> None:
        around = self._around
        if around is not None and self._connection.get_transaction() is around:
            raise Unsupported(
                "this backend is not in the connection's database, so the job would have to wait "
                "for the commit, which a bare connection does not tell: " + _ENCLOSE
            )
        self._keeper.keep(kept)

    def take(self) -> list[Kept]:
        return self._keeper.take()

    def roll_back(self) -> None:
        transaction = self._connection.get_transaction()
        if transaction is not None:
            transaction.rollback()


_ENCLOSE = (
    "open the block around the transaction (`with engine.connect() as connection, "
    "jobkit.enqueue_in(connection), connection.begin():`), or use a Session"
)


def subject_of(given: Any, caller: str) -> Subject:
    """The object in the one form. Raises TypeError, saying what to give instead, for another."""
    if isinstance(given, scoped_session) or _is_awaited(given, "async_scoped_session"):
        given = given()
    if _is_awaited(given, "AsyncSession"):
        return SessionSubject(given.sync_session, given)
    if _is_awaited(given, "AsyncConnection"):
        return ConnectionSubject(_started(given, caller), given)
    match given:
        case Session():
            return SessionSubject(given)
        case Connection():
            return ConnectionSubject(given)
        case _:
            raise TypeError(f"{caller} takes {_WANTED}, not {ascii(given)[:200]}{_remedy(given)}")


def _awaited(name: str) -> Any:
    """A class of SQLAlchemy's asyncio; None while nobody has imported that.

    It is not imported here: it needs greenlet, which a synchronous program may be without.
    """
    return getattr(sys.modules.get("sqlalchemy.ext.asyncio"), name, None)


def _is_awaited(given: Any, name: str) -> bool:
    kind = _awaited(name)
    return kind is not None and isinstance(given, kind)


_WANTED = "a SQLAlchemy Session, Connection, AsyncSession or AsyncConnection"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _started(connection: AsyncConnection, caller: str) -> Connection:
    if connection.sync_connection is None:
        raise TypeError(
            f"{caller}: the AsyncConnection is not connected yet: write "
            "`async with engine.connect() as connection:` around"
        )
    return connection.sync_connection


def _remedy(given: Any) -> str:
    kind = type(given)
    if isinstance(given, Engine) or _is_awaited(given, "AsyncEngine"):
        return ": an engine has no transaction; give the session or connection that has"
    makes = isinstance(given, sessionmaker) or _is_awaited(given, "async_sessionmaker")
    if makes or given is Session or (given is not None and given is _awaited("AsyncSession")):
        return ": that makes sessions; give the session it made"
    if kind.__module__.startswith("django."):
        return ": with Django's ORM use transaction.on_commit(lambda: MyJob.perform_later(...))"
    if callable(getattr(given, "cursor", None)):
        return ": a driver's own connection does not tell how its transactions end"
    return ""
