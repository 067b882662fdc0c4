"""Hearing what a store says to those who wait for work."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import ClassVar, Final, Generic, TypeVar

__all__ = ["Ear"]

Line = TypeVar("Line")

_TURN: Final = 0.5
"""Seconds that others have to end what they do when the ear is closed."""


class Ear(ABC, Generic[Line]):
    """A connection of a process on which the store tells that there may be work.

    Whoever waits reads from it himself: a thread that did so for him would have to call him, which
    takes a tenth of the way from an enqueue to its job. Where several wait, one reads for all. A
    thread of its own makes the connection only, as a server that does not answer would hold up
    those who can find the jobs by polling. While there is none nothing is heard.
    """

    name: ClassVar[str]
    """Of the thread that connects."""

    soonest: ClassVar[float]
    latest: ClassVar[float]
    """Seconds between attempts to connect: the first and the longest of them."""

    failures: ClassVar[tuple[type[Exception], ...]]
    """What a connection raises that does not work, or is cut off by another thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading = threading.Lock()
        """Held by the one who reads for all."""
        self._others = 0
        """How many wait for him."""
        self._line: Line | None = None
        self._connecting: threading.Thread | None = None
        self._closed = threading.Event()
        self._closings = 0
        self._failed = False

    @abstractmethod
    def _connect(self) -> Line:
        """A connection that is told what happens from here on."""

    @abstractmethod
    def _hear(self, line: Line, timeout: float) -> bool:
        """Note one thing that came, or comes within so many seconds; False when nothing did."""

    @abstractmethod
    def _note(self, word: bytes | None) -> None:
        """Note what was said; None: the connection has begun, or is gone: look once.

        Those who wait are called by who calls this.
        """

    @abstractmethod
    def _cut(self, line: Line) -> None:
        """End what another thread reads from the connection. Raises nothing."""

    @abstractmethod
    def _end(self, line: Line) -> None:
        """Close the connection, which nobody reads. Raises nothing, however often it is done."""

    def until(self, happened: Callable[[], bool], timeout: float) -> bool:
        """Wait until that is so by what was heard; False when the time is over, or at `close`.

        Begins to connect, if nobody has.
        """
        closings, deadline, left = self._closings, monotonic() + timeout, timeout
        while True:
            line = self._begun(closings)
            if line is not None and self._read(line, happened, left):
                pass
            elif left > 0:
                self._wait_for_others(lambda: happened() or self._closings != closings, left)
            if happened():
                return True
            left = deadline - monotonic()
            if left <= 0 or self._closings != closings:
                return False

    def take_in(self) -> None:
        """Hear what came while nobody waited, so that it does not pile up at the server."""
        if (line := self._line) is not None:
            self._read(line, lambda: True, 0)

    def close(self) -> None:
        """Hear nothing more, until somebody waits again."""
        with self._changed:
            thread, self._connecting = self._connecting, None
            line, self._line = self._line, None
            self._closed.set()
            self._closings += 1
            self._changed.notify_all()
        if line is not None:
            self._cut(line)
            if self._reading.acquire(timeout=_TURN):
                self._end(line)
                self._reading.release()
        if thread is not None:
            thread.join(_TURN)

    def _begun(self, closings: int) -> Line | None:
        """The connection, if there is one; begins to connect, unless it was closed since."""
        line = self._line
        if line is None and self._connecting is None:
            with self._changed:
                if self._line is self._connecting is None and self._closings == closings:
                    self._begin()
        return line

    def _begin(self) -> None:
        self._closed = closed = threading.Event()
        pause, self._failed = self.soonest if self._failed else 0.0, False
        thread = threading.Thread(
            target=self._reach, args=(closed, pause), name=self.name, daemon=True
        )
        self._connecting = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads can be had: the next wait tries again
            self._connecting = None

    def _reach(self, closed: threading.Event, pause: float) -> None:
        """Connect, however often it takes."""
        while not closed.wait(pause):
            # Whatever is wrong with the server, those who work on it will tell.
            with suppress(*self.failures):
                self._have(self._connect(), closed)
                return
            pause = min(max(pause * 2, self.soonest), self.latest)

    def _have(self, line: Line, closed: threading.Event) -> None:
        with self._changed:
            if not closed.is_set():
                self._line, self._connecting = line, None
                self._note(None)  # what was said before is not said again
                self._changed.notify_all()
                return
        self._end(line)

    def _wait_for_others(self, happened: Callable[[], bool], timeout: float) -> None:
        """Wait until that is so, or it is for the caller to read."""

        def is_over() -> bool:
            return happened() or (self._line is not None and not self._reading.locked())

        with self._changed:
            self._others += 1
            try:
                self._changed.wait_for(is_over, timeout)
            finally:
                self._others -= 1

    def _read(self, line: Line, happened: Callable[[], bool], timeout: float) -> bool:
        """Hear all that came already and, unless it happened by that, the next thing.

        False when another does.
        """
        ours = False
        try:
            ours = self._reading.acquire(blocking=False)
            if ours and line is self._line:  # nobody ends it from here on
                self._hear_all(line, happened, timeout)
        finally:
            if ours:
                self._reading.release()
                # Who comes after this look finds what was heard, and that nobody reads.
                if self._others:
                    with self._changed:
                        self._changed.notify_all()
        return ours

    def _hear_all(self, line: Line, happened: Callable[[], bool], timeout: float) -> None:
        try:
            while self._hear(line, 0):
                pass
            if timeout > 0 and not happened():
                self._hear(line, timeout)
        except self.failures:
            self._lose(line)

    def _lose(self, line: Line) -> None:
        with self._changed:
            if self._line is line:
                self._line, self._failed = None, True
                self._note(None)
        self._end(line)
