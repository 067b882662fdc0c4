"""No call hangs: a server that is stopped answers nothing, and a lock may be held for ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["Call", "Unanswered", "Watchdog", "cut"]

_LOOKS: Final = 10
"""Looks at the calls within the time that one may take."""

_CANCELLING: Final = 1.0
"""Seconds for asking the server to cancel, and again for its answer to the call."""


class Unanswered(SQLAlchemyError):
    """The server did not answer in time. What it was asked may have happened."""


@dataclass(slots=True)
class Call:
    """What is done with a connection, and until when."""

    connection: psycopg.Connection
    deadline: float
    was_cancelled: bool = False
    was_cut: bool = False


class Watchdog:
    """Ends what takes longer than `limit` seconds; a look every tenth of it.

    First the server is asked to cancel, which ends a wait for a lock and keeps the connection. If
    that does not help, the socket is shut: the caller gets an error, wherever in the driver he is.
    Time-outs of the network do not do that, for the kernel of a stopped server answers; those of
    the server need a session.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._lock = threading.RLock()  # a handler may enqueue in the middle of it
        self._calls: dict[int, Call] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, connection: psycopg.Connection) -> Generator[None]:
        """Raises Unanswered when what is done inside with the connection took too long."""
        call = self.call(connection)
        try:
            self.watch(call)
            yield
        except Exception as error:
            if call.was_cancelled:
                raise self.unanswered() from error
            raise
        finally:
            self.ended(call)

    def call(self, connection: psycopg.Connection) -> Call:
        """For who does without the block of `watching`: a call that begins now."""
        return Call(connection, time.monotonic() + self._limit)

    def watch(self, call: Call) -> None:
        """End it when it takes too long: it then `was_cancelled`. Whoever calls this calls `ended`.

        Made before, so that a time limit that strikes here leaves nothing behind that is watched.
        """
        if self._thread is None:
            self._start()
        self._calls[id(call)] = call

    def ended(self, call: Call) -> None:
        """What was done with the connection is over."""
        with self._lock:  # nobody shuts a socket that serves somebody else already
            self._calls.pop(id(call), None)

    def unanswered(self) -> Unanswered:
        """The error of a call that took too long."""
        return Unanswered(f"no answer within {self._limit:g} s")

    def close(self) -> None:
        """Stop looking; the next call begins anew."""
        with self._lock:
            self._thread = None
            self._ending.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._ending = ending = threading.Event()
                self._thread = threading.Thread(
                    target=self._look, args=(ending,), name="jobkit-watchdog", daemon=True
                )
                self._thread.start()

    def _look(self, ending: threading.Event) -> None:
        while not ending.wait(self._limit / _LOOKS):
            now = time.monotonic()
            for call in tuple(self._calls.values()):
                if now > call.deadline:
                    self._end(call)

    def _end(self, call: Call) -> None:
        if not call.was_cancelled:
            call.was_cancelled = True
            call.deadline = time.monotonic() + _CANCELLING
            with suppress(psycopg.Error, OSError):
                call.connection.cancel_safe(timeout=_CANCELLING)
            return
        with self._lock:
            if id(call) in self._calls and not call.was_cut:
                call.was_cut = True
                cut(call.connection)


def cut(connection: psycopg.Connection) -> None:
    """End whatever the connection is used for, from another thread: closing is not for that."""
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)
