"""Lines on stderr, in batches: a system call for each line would cost more than a job."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from time import sleep
from typing import Any, Final

__all__ = ["FLUSHED_EVERY", "Stderr"]

FLUSHED_EVERY: Final = 0.05
"""Seconds that a line may wait for others."""

_MOST: Final = 10_000
"""Lines that may wait. Who adds one more writes them: a slow reader slows the jobs down."""

_PIPE_BUF: Final = 4_096
_FILE_PIECE: Final = 1 << 20


class Stderr(logging.StreamHandler[Any]):
    """Writes to stderr as it is now; with `batched` up to `FLUSHED_EVERY` seconds later.

    Whole lines go out together, no more of them at a time than processes can write to one pipe
    without mixing them up. Warnings and what is above are written at once, with what waits.
    """

    def __init__(self, formatter: logging.Formatter, *, batched: bool = False) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._batched = batched
        self._lines: deque[str] = deque()
        self._is_called = False
        # Of all that can wake a thread, this may be used in signal handlers and finalizers.
        self._calls: SimpleQueue[None] = SimpleQueue()
        self._writing = threading.RLock()
        self._most = _piece(self.stream)
        if batched:
            threading.Thread(target=self._write_on, name="jobkit-log", daemon=True).start()

    def handle(self, record: logging.LogRecord) -> bool:
        """As the base class does, but for the lock, which only writing needs."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.line(self.format(record), at_once=record.levelno >= logging.WARNING)
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Lose the line: a job may have closed the stream, and the worker must go on."""
        with suppress(ValueError):
            super().handleError(record)

    def line(self, text: str, *, at_once: bool = False) -> None:
        """Write one line of text."""
        self._lines.append(text)
        if at_once or not self._batched or len(self._lines) > _MOST:
            self.flush()
        elif not self._is_called:
            self._call()

    def flush(self) -> None:
        """Write what waits. What cannot be written is lost, as it is with every handler."""
        with self._writing:
            while pieces := self._next():
                with suppress(OSError, ValueError):
                    self.stream.write(pieces)
                    self.stream.flush()

    def close(self) -> None:
        """From now on each line is written at once: nobody comes to flush."""
        self._batched = False
        self._call()
        self.flush()
        super().close()

    def forked(self) -> None:
        """In a child of a fork: there is no thread, and what waits is the parent's to write."""
        self._batched = False
        self._writing = threading.RLock()
        self._lines.clear()

    def _next(self) -> str:
        """The next lines that are written together; empty for none."""
        taken: list[str] = []
        size = 0
        with suppress(IndexError):
            while not taken or size + _bytes(self._lines[0]) <= self._most:
                line = self._lines.popleft()
                size += _bytes(line)
                taken.append(line)
        return "\n".join([*taken, ""]) if taken else ""

    def _call(self) -> None:
        self._is_called = True
        self._calls.put(None)

    def _write_on(self) -> None:
        while self._batched:
            self._calls.get()
            sleep(FLUSHED_EVERY)
            self._is_called = False  # before it looks: who adds a line from here on calls again
            with suppress(Exception):  # whatever became of the stream, somebody has to look on
                self.flush()


def _bytes(line: str) -> int:
    """At least as many as it takes, its end included."""
    return (len(line) if line.isascii() else 4 * len(line)) + 1


def _piece(stream: Any) -> int:
    """Bytes that may be written at once.

    Lines of processes that share a pipe or a socket are only kept apart up to the system's limit;
    those of a file always are.
    """
    with suppress(OSError, ValueError, AttributeError):
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return _FILE_PIECE
    return _PIPE_BUF


def _forked() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Stderr):
            handler.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
