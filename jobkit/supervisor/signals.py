"""Signals as something to wait for, beside the children's lines."""

from __future__ import annotations

import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["Signals", "blocked"]

STOPS: Final = (signal.SIGTERM, signal.SIGINT)

_HEARD: Final = (
    *STOPS,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGUSR1,
    signal.SIGTTIN,
    signal.SIGCHLD,
)


class Signals:
    """Inside the block signals do nothing but make `fileno` readable. For the main thread."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self._woken = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _note) for number in _HEARD}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._woken)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        return self._reader.fileno()

    def received(self) -> bytes:
        """The numbers of the signals that came since the last call, in order."""
        try:
            return self._reader.recv(4096)
        except BlockingIOError:
            return b""


@contextmanager
def blocked() -> Generator[None]:
    """What is started inside has all our signals blocked until it says otherwise.

    A signal to the whole group would otherwise end a child that is not ready for it yet, and one
    of two signals that went to two threads could be noted before the one that came first.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _note(number: int, frame: FrameType | None) -> None:
    """Python has written the number to the socket; that is all there is to do."""
