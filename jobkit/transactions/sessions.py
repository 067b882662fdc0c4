"""What waits for the end of a Session's transactions."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from jobkit.transactions.beside import beside_the_loop
from jobkit.transactions.kept import Kept, drop, send

__all__ = ["keeper_of"]

_KEY: Final = "jobkit.transactions"


def keeper_of(session: Session) -> SessionKeeper:
    """The session's keeper, made at first use; it lives as long as the session."""
    known: Any = session.info.get(_KEY)
    if known is None:
        known = session.info[_KEY] = SessionKeeper(session)
    keeper: SessionKeeper = known
    return keeper


class SessionKeeper:
    """Keeps things with the transaction or savepoint that is current, until the root has ended.

    `after_commit` alone tells too much: it is called for the release of a savepoint as well, and
    nothing follows when a session is just closed. So it only makes a note, and
    `after_transaction_end`, which comes for every transaction however it ended, decides.
    """

    def __init__(self, session: Session) -> None:
        self._kept: dict[SessionTransaction, list[Kept]] = {}
        self._committed: WeakSet[SessionTransaction] = WeakSet()
        event.listen(session, "after_commit", self._note_commit)
        event.listen(session, "after_transaction_end", self._ended)

    def keep(self, session: Session, kept: Kept) -> None:
        """Keep it with the session's innermost transaction; one is begun if there is none."""
        transaction = _current(session) or session.begin()
        self._kept.setdefault(transaction, []).append(kept)

    def _note_commit(self, session: Session) -> None:
        transaction = _current(session)
        if transaction is not None:
            self._committed.add(transaction)

    def _ended(self, session: Session, transaction: SessionTransaction) -> None:
        kept = self._kept.pop(transaction, None)
        if kept is None:
            return
        if transaction not in self._committed:
            drop(kept)
        elif (outer := _outer(transaction)) is not None:
            self._kept.setdefault(outer, []).extend(kept)
        else:
            beside_the_loop(send, kept)


def _current(session: Session) -> SessionTransaction | None:
    """The savepoint or root transaction that is open; not those a flush makes for itself."""
    return session.get_nested_transaction() or session.get_transaction()


def _outer(transaction: SessionTransaction) -> SessionTransaction | None:
    """The savepoint or root transaction around a savepoint, None around the root."""
    outer = transaction.parent
    while outer is not None and outer.parent is not None and not outer.nested:
        outer = outer.parent
    return outer
