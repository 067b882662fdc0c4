"""The ear of a process: wake-ups are heard on a connection of its own."""

from __future__ import annotations

import secrets
import socket
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from redis.exceptions import RedisError

from jobkit.hearing import Ear
from jobkit_redis.errors import Refused
from jobkit_redis.server import Server
from jobkit_redis.url import Location
from jobkit_redis.wire import Connection, Inbox

__all__ = ["Heard", "Letter", "Listener"]

_SILENCE: Final = 10.0
"""Seconds without a word after which the server is asked whether it is still there."""
_PATIENCE: Final = 5.0
_MANY: Final = 100


@dataclass(frozen=True, slots=True)
class Heard:
    """How many wake-ups there were so far, and the monotonic time of the last one."""

    number: int = 0
    at: float = -1.0e9


class Letter:
    """What is said to one listener alone for a token; None until then."""

    __slots__ = ("_others", "token", "word")

    def __init__(self, token: bytes, others: dict[bytes, Letter]) -> None:
        self.token = token
        self.word: bytes | None = None
        self._others = others

    def drop(self) -> None:
        """Nothing is expected any more."""
        self._others.pop(self.token, None)


class Listener(Ear[Connection]):
    """Hears the wake-ups of all queues, from the first wait on."""

    name = "jobkit-redis-listener"
    soonest = 0.1
    latest = 2.0
    failures = (RedisError, OSError, Refused, ValueError, AttributeError)

    def __init__(self, location: Location, channel: str) -> None:
        super().__init__()
        # With RESP2 a message is a plain answer.
        self._server = Server(replace(location, options={**location.options, "protocol": 2}))
        self._channel = channel
        self.ear = f"{channel}:{secrets.token_hex(8)}"
        """The channel on which nobody but this listener hears."""
        self._ear = self.ear.encode()
        self._letters: dict[bytes, Letter] = {}
        """What is expected there, by the token that it begins with."""
        self._inbox: tuple[Connection, Inbox | None] | None = None
        """A connection, and the short way to what it is told, where there is one."""
        self._heard: defaultdict[bytes | None, Heard] = defaultdict(Heard)
        self._words = 0
        self._sums: dict[tuple[bytes, ...], tuple[int, Heard]] = {}
        """What was heard for queues by that number of words: it is asked for at each step."""
        self._missed = False
        self._spoke_at = 0.0
        self._asked_at: float | None = None

    def heard(self, queues: tuple[bytes, ...]) -> Heard:
        """What was heard for these queues so far. What came since the last wait is not."""
        known = self._sums.get(queues)
        if known is not None and known[0] == self._words:
            return known[1]
        with self._changed:
            about = self._about(queues)
            if len(self._sums) > _MANY:  # drawn by weight they come in each order
                self._sums.clear()
            self._sums[queues] = self._words, about
        return about

    def wait(
        self,
        queues: tuple[bytes, ...],
        since: Heard,
        timeout: float,
        happened: Callable[[], bool],
    ) -> bool:
        """Wait until more is heard for the queues than `since`, or that is so.

        False when the time is over.
        """
        return self.until(lambda: happened() or self.heard(queues) != since, timeout)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection to hear by."""
        return self._line is not None

    def missed(self) -> bool:
        """Whether there was something that nobody expected, or heard, since this was asked."""
        missed, self._missed = self._missed, False
        return missed

    def miss(self) -> None:
        """Something was said that nobody heard."""
        self._missed = True

    def doubt(self) -> None:
        """Something was said that was not heard here: connect anew."""
        if (line := self._line) is not None:
            self._cut(line)

    def expect(self, token: str) -> Letter:
        """Where what is said on the `ear` for the token will be."""
        letter = Letter(token.encode(), self._letters)
        self._letters[letter.token] = letter
        return letter

    def _about(self, queues: Sequence[bytes]) -> Heard:
        """The sum of the wake-ups, with those for everybody."""
        each = [self._heard[queue] for queue in (None, *queues) if queue in self._heard]
        if not each:
            return Heard()
        return Heard(sum(one.number for one in each), max(one.at for one in each))

    def _connect(self) -> Connection:
        connection = self._server.connect()
        connection.send_command("SUBSCRIBE", self._channel, self.ear)
        self._inbox = connection, Inbox.of(connection)
        for _ in range(2):
            if self._next(connection, _PATIENCE) is None:
                connection.disconnect()
                raise OSError("the server does not say that it will tell anything")
        self._spoke_at, self._asked_at = monotonic(), None
        return connection

    def _hear(self, line: Connection, timeout: float) -> bool:
        message = self._next(line, timeout)
        if message is None:
            self._ask(line)
            return False
        self._spoke_at, self._asked_at = monotonic(), None
        if message[0] != b"message":
            pass
        elif message[1] == self._ear:
            token, _, word = message[2].partition(b":")
            if (letter := self._letters.get(token)) is None:
                self.miss()
            else:
                letter.word = word
        else:
            self._note(message[2])
        return True

    def _next(self, line: Connection, timeout: float) -> Any:
        """What the connection is told next; None if nothing is within the time."""
        owner, inbox = self._inbox or (None, None)
        if owner is line and inbox is not None:
            return inbox.next(timeout)
        return line.read_response() if line.can_read(timeout=timeout) else None

    def _ask(self, line: Connection) -> None:
        """Ask the server that has been silent for long whether it is there, and wait no longer."""
        now = monotonic()
        if self._asked_at is None:
            if now - self._spoke_at > _SILENCE:
                self._asked_at = now
                line.send_command("PING")
        elif now - self._asked_at > _PATIENCE:
            raise OSError("the server says nothing any more")

    def _note(self, word: bytes | None) -> None:
        with self._changed:
            self._heard[word] = Heard(self._heard[word].number + 1, monotonic())
            self._words += 1

    def _cut(self, line: Connection) -> None:
        # The socket alone, so that who reads from it in another thread comes back.
        plug = getattr(line, "_sock", None)
        if isinstance(plug, socket.socket):
            with suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)

    def _end(self, line: Connection) -> None:
        line.disconnect()
