"""`enqueue_in`: the block in which jobs belong to a transaction of the application's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token, copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from jobkit.adapter import Enqueues
from jobkit.capabilities import SupportsTransactions
from jobkit.errors import AdapterError, EnqueueError
from jobkit.payload import Payload
from jobkit.transactions.kept import Kept

if TYPE_CHECKING:
    from jobkit.transactions.subjects import Subject, Transactional

__all__ = ["Scope", "away", "current", "enqueue_in"]

P = ParamSpec("P")
T = TypeVar("T")


def enqueue_in(session_or_connection: Transactional) -> Scope:
    """Have every job enqueued inside the block share the fate of a transaction.

    Takes a SQLAlchemy `Session`, `Connection`, `AsyncSession` or `AsyncConnection` (or a scoped
    session). On a SQL backend in the same database jobs are inserted through it. On any other
    backend they are kept, sent when the root transaction has committed (from there
    `successfully_enqueued` is True, until then None) and dropped when it or their savepoint ends
    otherwise. A bare connection's block must enclose the transaction then, else `Unsupported`.

        with Session(engine) as session, jobkit.enqueue_in(session), session.begin():
            session.add(order)
            session.flush()
            Ship.perform_later(order.id)

    Inside the block of an asynchronous session or connection enqueue by `await aperform_later`.
    Raises TypeError for any other object.
    """
    return Scope(_subject(session_or_connection, "enqueue_in"))


class Scope:
    """What `enqueue_in` returns: enter it by `with` or `async with`, once."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._token: Token[Scope | None] | None = None
        self._outer: Scope | None = None
        self._is_open = False
        self._shared: dict[Enqueues, bool] = {}

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("a block of enqueue_in is entered once: call enqueue_in again")
        self._subject.enter()
        self._outer = current()
        self._is_open = True
        self._token = _scope.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._leave()
        self._subject.leave(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._leave()
        await self._subject.leave_awaited(error)

    @property
    def innermost_open(self) -> Scope | None:
        """This block, or the one around it that still is open; None when all have ended."""
        scope: Scope | None = self
        while scope is not None and not scope._is_open:
            scope = scope._outer
        return scope

    @property
    def is_async(self) -> bool:
        """True when the transaction lives on an event loop."""
        return self._subject.is_async

    def shares(self, adapter: Enqueues) -> bool:
        """True when the adapter's jobs are in the transaction's own database.

        Raises EnqueueError when that could not be found out.
        """
        self._refuse_to_block()
        known = self._shared.get(adapter)
        if known is None:
            known = self._shared[adapter] = self._ask(adapter)
        return known

    def enqueue(self, adapter: Enqueues, payloads: Sequence[Payload]) -> bool:
        """Insert the payloads through the transaction; False if their database is another one.

        Raises what the adapter's `enqueue` raises.
        """
        if not (self.shares(adapter) and isinstance(adapter, SupportsTransactions)):
            return False
        adapter.enqueue_through(self._subject.connection(), payloads)
        return True

    def connection_to(self, adapter: Enqueues) -> Any:
        """The transaction's connection if the adapter's jobs are in its database, else None."""
        return self._subject.connection() if self.shares(adapter) else None

    def keep(
        self, send: Callable[[], object], *, dropped: Callable[[], object], jobs: int = 1
    ) -> None:
        """Have `send` called once the root transaction has committed, in the context of now.

        Raises Unsupported for a connection whose transaction the block does not enclose.
        """
        self._refuse_to_block()
        # By then other variables hold, and this block may be open still.
        context = copy_context()
        self._subject.keep(Kept(lambda: context.run(_outside, send), dropped, jobs))

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` beside the event loop, able to use the transaction."""
        return await self._subject.run(call)

    def _ask(self, adapter: Enqueues) -> bool:
        if not isinstance(adapter, SupportsTransactions):
            return False
        connection = self._subject.connection_or_none()
        try:
            return connection is not None and adapter.shares(connection)
        except AdapterError as error:
            raise EnqueueError(f"the job was not stored: {error}") from error

    def _leave(self) -> None:
        self._is_open = False
        if self._token is not None:
            # Entered in another context (a generator run by somebody's thread pool): there it
            # goes on standing, and says that it is closed.
            with suppress(ValueError):
                _scope.reset(self._token)

    def _refuse_to_block(self) -> None:
        if self._subject.is_async and not self._subject.is_beside_the_loop():
            raise RuntimeError(
                "inside enqueue_in of an asynchronous session or connection the transaction can "
                "only be reached by awaiting: use `await aperform_later(...)` and its kin"
            )


_scope: ContextVar[Scope | None] = ContextVar("jobkit_enqueue_in", default=None)


def current() -> Scope | None:
    """The innermost open block of `enqueue_in` in this thread or task, or None."""
    scope = _scope.get()
    return None if scope is None else scope.innermost_open


async def away(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `call` returns, without blocking the event loop: where it may store jobs.

    In a thread; inside an asynchronous transaction on that transaction's own loop.
    """
    import asyncio  # noqa: PLC0415 - heavy, and not needed by all

    scope = current()
    if scope is None or not scope.is_async:
        return await asyncio.to_thread(call, *args, **kwargs)
    return await scope.run(partial(call, *args, **kwargs))


def _outside(send: Callable[[], object]) -> None:
    _scope.set(None)
    send()


def _subject(given: Any, caller: str) -> Subject:
    # Loaded here: importing jobkit must not load SQLAlchemy.
    from jobkit.transactions.subjects import subject_of  # noqa: PLC0415

    return subject_of(given, caller)
