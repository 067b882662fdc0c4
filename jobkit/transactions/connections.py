"""What waits for the end of a bare Connection's transactions."""

from __future__ import annotations

import threading
from itertools import chain
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, ExceptionContext, event

from jobkit.transactions.kept import Kept, drop

__all__ = ["ConnectionKeeper"]


class ConnectionKeeper:
    """Keeps things with a connection's innermost transaction, from the first one kept to `take`.

    A connection tells what it is about to do, never that it was done: what it was about to
    commit counts as committed unless an error followed before anything else began. Savepoints end
    in the reverse order of their beginning, so a stack is enough; one that was open already when
    the first thing was kept is the bottom of it, like the root.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._frames: list[list[Kept]] = [[]]
        self._committing: list[Kept] = []
        self._committed: list[Kept] = []
        self._is_listening = False
        self._hooks: Final = {
            "begin": self._begun,
            "begin_twophase": self._begun,
            "savepoint": self._savepoint,
            "release_savepoint": self._released,
            "rollback_savepoint": self._rolled_back_to,
            "commit": self._commit,
            "commit_twophase": self._commit,
            "rollback": self._rolled_back,
            "rollback_twophase": self._rolled_back,
        }

    def keep(self, kept: Kept) -> None:
        """Keep it with the connection's innermost transaction; one is begun if there is none."""
        self._listen()
        if not self._connection.in_transaction():
            self._connection.begin()
        self._frames[-1].append(kept)

    def take(self) -> list[Kept]:
        """End: what was committed since the beginning. The rest stays in `open`."""
        if self._is_listening:
            self._is_listening = False
            _by_connection.pop(self._connection, None)
            for name, hook in self._hooks.items():
                event.remove(self._connection, name, hook)
        committed = self._committed + self._committing
        self._committed, self._committing = [], []
        return committed

    @property
    def open(self) -> list[Kept]:
        """What is kept with a transaction that has not ended."""
        return list(chain.from_iterable(self._frames))

    def drop_open(self) -> None:
        """Drop what is kept with a transaction that has not ended."""
        kept, self._frames = self.open, [[]]
        drop(kept)

    def failed(self) -> None:
        """An error came up on the connection: if it was about to commit, it has not."""
        failed, self._committing = self._committing, []
        drop(failed)

    def _listen(self) -> None:
        if self._is_listening:
            return
        self._is_listening = True
        _watch_for_errors(self._connection.engine)
        _by_connection[self._connection] = self
        for name, hook in self._hooks.items():
            event.listen(self._connection, name, hook)

    def _begun(self, *_: object) -> None:
        self._committed += self._committing
        self._committing = []

    def _savepoint(self, *_: object) -> None:
        self._frames.append([])

    def _released(self, *_: object) -> None:
        if len(self._frames) > 1:
            released = self._frames.pop()
            self._frames[-1] += released

    def _rolled_back_to(self, *_: object) -> None:
        kept = self._frames.pop()
        if not self._frames:
            self._frames.append([])
        drop(kept)

    def _commit(self, *_: object) -> None:
        self._committing, self._frames = self.open, [[]]

    def _rolled_back(self, *_: object) -> None:
        self.drop_open()


_by_connection: WeakKeyDictionary[Connection, ConnectionKeeper] = WeakKeyDictionary()
_lock = threading.Lock()


def _watch_for_errors(engine: Engine) -> None:
    """Errors are told to engines, not to connections. Once an engine, and never taken off.

    Other threads go through an engine's listeners while this one would change them.
    """
    with _lock:
        if not event.contains(engine, "handle_error", _note_error):
            event.listen(engine, "handle_error", _note_error)


def _note_error(context: ExceptionContext) -> Any:
    connection = context.connection
    keeper = None if connection is None else _by_connection.get(connection)
    if keeper is not None:
        keeper.failed()
