"""What systemd wants to be told: that we are ready, that we stop, that we are alive.

The protocol of sd_notify(3): datagrams of lines to the socket that the environment names.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

from jobkit.supervisor.condition import Condition

__all__ = ["Service"]

_PATIENCE: Final = 30.0
"""Seconds that the manager is asked for while we start or stop, every third of them."""

_log = logging.getLogger("jobkit.supervisor")


class Service:
    """Told of every turn of the main loop, it tells the service manager what has changed.

    The watchdog is fed by the main loop alone: if that stands still, so does the feeding.
    """

    def __init__(self, address: str, watchdog: float | None) -> None:
        """`address` as in NOTIFY_SOCKET, `watchdog` in seconds, None when nobody watches."""
        # A leading "@" is how an address without a file is written.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._every = None if watchdog is None else watchdog / 2
        self._fed = float("-inf")
        self._asked = float("-inf")
        self._ready = self._stopping = False
        self._status = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self | None:
        """The manager that the environment names; None if there is none, or not for us."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        for_us = environ.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        micros = environ.get("WATCHDOG_USEC", "")
        watchdog = int(micros) / 1e6 if for_us and micros.isdecimal() and int(micros) else None
        return cls(address, watchdog)

    def note(self, condition: Condition) -> None:
        """Tell what is new in this condition."""
        lines = [*self._states(condition), *self._more_time(condition), *self._alive(condition)]
        if lines:
            self._tell(lines)

    def close(self) -> None:
        """Tell nothing more."""
        self._socket.close()

    def _states(self, condition: Condition) -> list[str]:
        lines: list[str] = []
        if condition.stopping and not self._stopping:
            self._stopping = True
            lines.append("STOPPING=1")
        elif condition.ready and not self._ready:
            self._ready = True
            lines.append("READY=1")
        status = "; ".join(condition.problems) or "ready"
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        return lines

    def _more_time(self, condition: Condition) -> list[str]:
        """While the store is away at the start we wait for it, and for jobs at the end."""
        if self._ready and not condition.stopping:
            return []
        if condition.at - self._asked < _PATIENCE / 3:
            return []
        self._asked = condition.at
        return [f"EXTEND_TIMEOUT_USEC={int(_PATIENCE * 1e6)}"]

    def _alive(self, condition: Condition) -> list[str]:
        if self._every is None or condition.at - self._fed < self._every:
            return []
        self._fed = condition.at
        return ["WATCHDOG=1"]

    def _tell(self, lines: list[str]) -> None:
        with suppress(OSError):  # a manager that does not listen is not waited for
            self._socket.sendto("\n".join(lines).encode(), self._address)
