"""One writer of a process after the other, whichever adapter of its file each writes by."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from jobkit.errors import AdapterError
from jobkit_sql.dialects.sqlite.patience import BUSY_TIMEOUT, MOMENT

__all__ = ["Turn", "turn_of"]


class Turn:
    """The turn to write to a file: a lock wakes the next, SQLite does not.

    And threads that ask SQLite again and again take the interpreter from the one they wait for.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()  # a handler may enqueue in the middle of it

    def take(self) -> None:
        """Wait for it. Raises AdapterError when that takes too long."""
        left = BUSY_TIMEOUT
        while not self._lock.acquire(timeout=min(MOMENT, left)):
            left -= MOMENT
            if left <= 0:
                raise AdapterError(
                    f"{self._file} is busy: other threads of this process have been writing for"
                    f" {BUSY_TIMEOUT:g} s"
                )

    def end(self) -> None:
        """Let the next one write. Nothing happens where it was somebody else's."""
        try:  # noqa: SIM105 - `suppress` is three calls more for every job
            self._lock.release()
        except RuntimeError:
            pass

    @contextmanager
    def held(self) -> Generator[None]:
        """A block that has it."""
        # A job's time limit may raise in this thread between the acquire and what follows it, so
        # the acquire stands inside the try, and releasing what is not ours is no error.
        try:
            self.take()
            yield
        finally:
            self.end()


_turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()
_making = threading.Lock()


def turn_of(file: Path) -> Turn:
    """The turn of a file in this process, by whatever name it goes."""
    name = os.path.realpath(file)
    with _making:
        turn = _turns.get(name)
        if turn is None:
            turn = _turns[name] = Turn(file)
        return turn


def _begin_anew() -> None:
    """A child has none of the threads that held something at the fork."""
    global _making  # noqa: PLW0603 - one of those may have held this, too
    _making = threading.Lock()
    _turns.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_anew)
