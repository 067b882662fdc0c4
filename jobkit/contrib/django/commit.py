"""Jobs that wait for the commit of a transaction of Django's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar, overload

from django.db import DEFAULT_DB_ALIAS, transaction

from jobkit.transactions import Kept, Scope
from jobkit.transactions.subjects import Subject

__all__ = ["OnCommit", "enqueue_on_commit"]

P = ParamSpec("P")
R = TypeVar("R")


class DjangoSubject(Subject):
    """The transactions of one of Django's databases, which keeps what waits for its commit."""

    def __init__(self, using: str) -> None:
        super().__init__(None)
        self._using = using

    def connection(self) -> NoReturn:
        raise AssertionError("jobs are never inserted through a connection of Django's")

    def connection_or_none(self) -> None:
        return None

    def keep(self, kept: Kept) -> None:
        # Outside of a transaction Django calls it at once; a savepoint that is rolled back drops
        # it, and tells nobody.
        transaction.on_commit(kept.committed, using=self._using)

    def take(self) -> list[Kept]:
        return []

    def roll_back(self) -> None:
        transaction.set_rollback(True, using=self._using)


class OnCommit(ContextDecorator):
    """What `enqueue_on_commit` returns."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._scopes: list[Scope] = []

    def __enter__(self) -> Self:
        scope = Scope(DjangoSubject(self._using))
        scope.__enter__()
        self._scopes.append(scope)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scopes.pop().__exit__(kind, error, trace)

    def _recreate_cm(self) -> OnCommit:
        # A decorated function may run in several threads at once.
        return OnCommit(self._using)


@overload
def enqueue_on_commit(using: str | None = None, /) -> OnCommit: ...
@overload
def enqueue_on_commit(using: Callable[P, R], /) -> Callable[P, R]: ...
def enqueue_on_commit(using: Any = None, /) -> Any:
    """Have every job enqueued inside the block wait for the commit of Django's transaction.

        with transaction.atomic(), enqueue_on_commit():
            order.save()
            Ship.perform_later(order.pk)

    Jobs are sent when the outermost `atomic` block of that database has been committed, and are
    dropped with it or with the savepoint that they were enqueued in; outside of a transaction they
    are sent at once. Arguments are checked and copied where the call is made. Until the commit
    `successfully_enqueued` is None. What cannot be stored then raises EnqueueError out of the
    `atomic` block, with the transaction committed.

    `using` names the database, `default` if not given. Also a decorator, bare or called: over a
    view everything that it enqueues waits.
    """
    if callable(using):
        return OnCommit(DEFAULT_DB_ALIAS)(using)
    return OnCommit(DEFAULT_DB_ALIAS if using is None else using)
