"""Nothing of a SQLite file may be open in a process while it forks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

__all__ = ["Gate"]

_PATIENCE: Final = 10.0
"""Seconds a fork waits for connections that are in use; then it happens all the same.

Longer than a writer waits for other processes and for a slow disk.
"""


class Gate:
    """Passed by whoever uses a connection. At a fork it is shut, and `close` called.

    SQLite keeps one record of its locks for each file and process. A child would inherit it,
    believe to have the parent's locks and take none; when the parent then closes the file, the
    log goes with it, and what the child has committed is lost.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        # By thread, not a number: a time limit may strike between coming in and going out, and
        # who comes and goes again corrects what was left behind.
        self._inside: set[int] = set()
        self._is_shut = False
        _gates.add(self)

    def __enter__(self) -> None:
        with self._lock:
            while self._is_shut:
                self._changed.wait()
            self._inside.add(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside.discard(threading.get_ident())
            if self._is_shut:
                self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody in, wait until all are out, close."""
        with self._changed:
            self._is_shut = True
            self._changed.wait_for(lambda: not self._inside, _PATIENCE)
        self._close()

    def open(self) -> None:
        """Let everybody in again."""
        with self._changed:
            self._is_shut = False
            self._changed.notify_all()


_gates: WeakSet[Gate] = WeakSet()


def _shut_all() -> None:
    for gate in tuple(_gates):
        gate.shut()


def _open_all() -> None:
    for gate in tuple(_gates):
        gate.open()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_shut_all,
        after_in_parent=_open_all,
        # Left shut, and forgotten: their locks may be held by threads that a child does not have.
        # It makes new gates with its new connections.
        after_in_child=_gates.clear,
    )
