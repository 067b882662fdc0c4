"""A store as this process uses it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from itertools import count
from time import monotonic
from typing import Any, Final

from jobkit.clock import Clock
from jobkit_redis.keys import Keys
from jobkit_redis.listener import Listener
from jobkit_redis.scripts import script
from jobkit_redis.server import Pool, Server
from jobkit_redis.url import Location

__all__ = ["WINDOW", "Store"]

WINDOW: Final = 0.005
"""Seconds in which one process wakes the workers of a queue once at most."""


class _Home:
    """One process's connections, and the part of its receipts that no other process has."""

    def __init__(self, location: Location, channel: str) -> None:
        self.pid = os.getpid()
        server = Server(location)
        self.pool = Pool(server)
        self.beats = Pool(server)
        self.listener = Listener(location, channel)
        self.token = secrets.token_hex(6)
        self.calls = count(1)
        self.woken: dict[str, float] = {}

    def close(self) -> None:
        self.listener.close()
        self.pool.close()
        self.beats.close()


# What forked children inherited. Kept for ever: a connection that was in use at the fork belongs
# to the parent, and not even the garbage collector may close it here.
_inherited: list[_Home] = []


class Store:
    """Keys, connections and the time. A fork is noticed: the child gets connections of its own."""

    def __init__(self, location: Location, clock: Clock | None = None) -> None:
        self.location = location
        self.keys = Keys.of(location.namespace, location.db)
        self._clock = clock
        self._home = _Home(location, self.keys.channel)

    @property
    def now(self) -> str:
        """The clock's time for a script, or nothing if it is to take the server's own."""
        return "" if self._clock is None else repr(self._clock.time())

    def time(self) -> float:
        """The clock's time, or the server's own."""
        if self._clock is not None:
            return self._clock.time()
        seconds, micros = self.here.pool.ask(("TIME",))[0]
        return int(seconds) + int(micros) / 1e6

    @property
    def here(self) -> _Home:
        """What this process has."""
        if self._home.pid != os.getpid():
            _inherited.append(self._home)
            self._home = _Home(self.location, self.keys.channel)
        return self._home

    def run(self, name: str, keys: Sequence[Any], args: Sequence[Any] = ()) -> Any:
        """What the script answers. Raises Refused or Unanswered."""
        return self.here.pool.run(script(name), keys, args)

    def token(self) -> str:
        """Text that no claim ever had in its receipt."""
        home = self.here
        return f"{home.token}{next(home.calls):08x}"

    def waking(self, queues: Iterable[str]) -> list[str]:
        """Those of the queues whose workers this process has not woken within the window."""
        due = [queue for queue in queues if self.wakes(queue)]
        for queue in due:
            self.woke(queue)
        return due

    def wakes(self, queue: str) -> bool:
        """Whether a job is to wake the queue's workers: not within the window after `woke`."""
        return monotonic() - self.here.woken.get(queue, -WINDOW) >= WINDOW

    def woke(self, queue: str) -> None:
        """They were woken."""
        woken = self.here.woken
        if len(woken) > _MANY:
            woken.clear()
        woken[queue] = monotonic()

    def close(self) -> None:
        """Close the connections, if they are this process's own."""
        if self._home.pid == os.getpid():
            self._home.close()


_MANY: Final = 10_000
