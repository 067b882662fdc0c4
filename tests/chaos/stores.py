"""The stores under test: what the harness must be able to do with one.

To add a store: subclass `Store` (or `Server`, if it is a process), name it in `STORES`.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.faults.proxy import Address

__all__ = ["STORES", "Server", "Sqlite", "Store"]


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


STORES: Final[Mapping[str, Callable[[Path], Store]]] = MappingProxyType({"sqlite": Sqlite})
