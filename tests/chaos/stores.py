"""The stores under test: what the harness must be able to do with one.

To add a store: subclass `Store` (or `Server`, if it is a process), name it in `STORES`.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.chaos.processes import children
from tests.faults.proxy import Address
from tests.servers import postgres, valkey

__all__ = ["STORES", "Postgresql", "Redis", "Server", "Sqlite", "Store"]

_SCHEMA: Final = "chaos"


class Store(ABC):
    """A private store in a folder of its own; made by `start`, gone after `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    @abstractmethod
    def url(self) -> str:
        """What jobkit is given to reach it, directly."""

    @abstractmethod
    def start(self) -> None:
        """Have it answer; returns when it does."""

    @abstractmethod
    def close(self) -> None:
        """End it for good, whatever state it is in."""


class Server(Store):
    """A store that is a process. What it acknowledged must outlive `kill`."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process that is killed and suspended; its children share its fate."""

    @property
    @abstractmethod
    def address(self) -> Address:
        """Where it listens."""

    @abstractmethod
    def url_through(self, address: Address) -> str:
        """The URL that leads to it by way of a proxy."""

    @abstractmethod
    def stop(self) -> None:
        """Ask it to leave in good order, and wait."""

    def kill(self) -> None:
        """End it at once; returns when it is gone. One with children also waits for those."""
        os.kill(self.pid, signal.SIGKILL)

    def suspend(self) -> None:
        """Have it stand still, its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        os.kill(self.pid, signal.SIGCONT)


class Sqlite(Store):
    """A file. It has no process and no socket: what can break is who uses it."""

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'jobs.db'}"

    def start(self) -> None:
        """The first to use it makes it."""

    def close(self) -> None:
        """Its folder is removed by who made it."""


class Postgresql(Server):
    """A cluster whose commits are on the disk when they are answered."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = postgres.Postgres(durable=True)
        self._migrated = False

    @property
    def url(self) -> str:
        return self._server.url(schema=_SCHEMA)

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def address(self) -> Address:
        return "127.0.0.1", self._server.port

    def url_through(self, address: Address) -> str:
        return f"postgresql://jobkit@{_place(address)}/postgres?schema={_SCHEMA}"

    def start(self) -> None:
        self._server.start()
        if not self._migrated:
            self._migrated = bool(self._server.emptied(_SCHEMA))

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        """Its processes, too: those that outlive the first would keep the next from starting."""
        self._server.stop(number=signal.SIGKILL)

    def suspend(self) -> None:
        for pid in (self.pid, *children(self.pid)):
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*children(self.pid), self.pid):
            _signal(pid, signal.SIGCONT)

    def close(self) -> None:
        self._server.remove()


class Redis(Server):
    """A server that has written down what it answers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = valkey.Server(folder / "server", tcp=True, appendonly=True)

    @property
    def url(self) -> str:
        return self._server.url()

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def address(self) -> Address:
        return self._server.address

    def url_through(self, address: Address) -> str:
        return f"redis://{_place(address)}/0"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        self._server.kill()

    def close(self) -> None:
        self._server.close()


def _place(address: Address) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # a connection's process that has just ended
        os.kill(pid, number)


STORES: Final[Mapping[str, Callable[[Path], Store]]] = MappingProxyType(
    {"sqlite": Sqlite, "postgresql": Postgresql, "redis": Redis}
)
