"""The ear of a process: wake-ups are heard on a connection of its own."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from redis.exceptions import RedisError

from jobkit_redis.errors import Refused
from jobkit_redis.server import Server
from jobkit_redis.url import Location
from jobkit_redis.wire import Connection

__all__ = ["Heard", "Listener"]

_SILENCE: Final = 10.0
"""Seconds without a word after which the server is asked whether it is still there."""
_PATIENCE: Final = 5.0
_SOONEST: Final = 0.1
_LATEST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Heard:
    """How many wake-ups there were so far, and the monotonic time of the last one."""

    number: int = 0
    at: float = -1.0e9


class Listener:
    """Listens from the first wait on, on a thread of its own.

    While the connection is away nothing is heard, and those who wait find the jobs by polling.
    """

    def __init__(self, location: Location, channel: str) -> None:
        # With RESP2 a message is a plain answer.
        self._server = Server(replace(location, options={**location.options, "protocol": 2}))
        self._channel = channel
        self._changed = threading.Condition()
        self._heard: defaultdict[bytes | None, Heard] = defaultdict(Heard)
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def heard(self, queues: Sequence[bytes]) -> Heard:
        """What was heard for these queues. Begins to listen, if nobody has."""
        with self._changed:
            if self._thread is None:
                self._begin()
            return self._about(queues)

    def wait(self, queues: Sequence[bytes], since: Heard, timeout: float) -> bool:
        """Wait until more is heard for the queues than `since`; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._about(queues) != since, timeout)

    def close(self) -> None:
        """Hear nothing more, until somebody waits again."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._closed.set()
            self._hang_up()
        if thread is not None:
            thread.join(_SOONEST)

    def _begin(self) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._listen, args=(self._closed,), name="jobkit-redis-listener", daemon=True
        )
        self._thread.start()

    def _about(self, queues: Sequence[bytes]) -> Heard:
        """The sum of the wake-ups, with those for everybody."""
        each = [self._heard[queue] for queue in (None, *queues) if queue in self._heard]
        if not each:
            return Heard()
        return Heard(sum(one.number for one in each), max(one.at for one in each))

    def _listen(self, closed: threading.Event) -> None:
        pause = _SOONEST
        while not closed.is_set():
            with suppress(RedisError, OSError, Refused, ValueError, AttributeError):
                connection = self._subscribed(closed)
                pause = _SOONEST
                while not closed.is_set():
                    self._hear(connection)
            closed.wait(pause)
            pause = min(pause * 2, _LATEST)

    def _subscribed(self, closed: threading.Event) -> Connection:
        connection = self._server.connect()
        with self._changed:
            self._connection = connection
            if closed.is_set():
                self._hang_up()
        connection.send_command("SUBSCRIBE", self._channel)
        connection.read_response()
        self._note(None)  # something may have been said before: everybody looks once
        return connection

    def _hear(self, connection: Connection) -> None:
        if not connection.can_read(timeout=_SILENCE):
            connection.send_command("PING")
            if not connection.can_read(timeout=_PATIENCE):
                connection.disconnect()
                raise OSError("the server says nothing any more")
        message: Any = connection.read_response()
        if message[0] == b"message":
            self._note(message[2])

    def _note(self, queue: bytes | None) -> None:
        with self._changed:
            self._heard[queue] = Heard(self._heard[queue].number + 1, monotonic())
            self._changed.notify_all()

    def _hang_up(self) -> None:
        """Cut the connection, so that the thread which reads from it comes back."""
        line = getattr(self._connection, "_sock", None)
        if isinstance(line, socket.socket):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._connection = None
