"""Calls to threads that rest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["Calls", "made_bed"]

T = TypeVar("T")


def made_bed() -> threading.Lock:
    """What a thread rests on: its own, whoever calls it lets it go."""
    bed = threading.Lock()
    bed.acquire()
    return bed


class Calls(Generic[T]):
    """Calls that wait for a thread, and threads that wait for a call: the last to rest is first.

    What it worked with is in the caches still, and a few do what a few can do. Threads that wait
    at a queue are called in turns, each on the core where it happened to be.
    """

    def __init__(self) -> None:
        self._calls: deque[T | None] = deque()
        self._resting: list[threading.Lock] = []

    def resting(self) -> int:
        """Threads that rest and are not called yet."""
        return len(self._resting)

    def put(self, call: T | None) -> None:
        """Call any thread."""
        self._calls.append(call)
        # In this order: who lies down meanwhile looks again.
        try:
            bed = self._resting.pop()
        except IndexError:
            return
        bed.release()

    def hold(self) -> threading.Lock | None:
        """Have a thread that rests do so, whatever there is, until it is let go; None: none rests.

        It counts as one that was called.
        """
        try:
            return self._resting.pop()
        except IndexError:
            return None

    def let_go(self, bed: threading.Lock) -> None:
        """It can be called again; and is, if a call has found nobody meanwhile."""
        self._resting.append(bed)
        # In this order, as in `get`. Who is called in vain rests again.
        if self._calls:
            with suppress(IndexError):
                self._resting.pop().release()

    def get(self, bed: threading.Lock, unless: Callable[[], object]) -> T | None:
        """Rest until there is a call; on a bed that nobody else rests on.

        None at once if `unless` is true when the thread counts as resting already.
        """
        while True:
            try:
                return self._calls.popleft()
            except IndexError:
                self._resting.append(bed)
            # In this order, see `put`. Who was called nevertheless must have the call.
            if (self._calls or unless()) and self._rises(bed):
                if not self._calls:
                    return None
            else:
                bed.acquire()

    def _rises(self, bed: threading.Lock) -> bool:
        """Rest no more; False if it has been called."""
        try:
            self._resting.remove(bed)
        except ValueError:
            return False
        return True
