"""The time of a fake adapter."""

from __future__ import annotations

import threading

from jobkit.clock import Clock

__all__ = ["VirtualClock"]


class VirtualClock:
    """The machine's time until it is moved ahead; then it stands until the machine catches up.

    So what is stamped with it is never older than what the application stamps itself.
    """

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._lock = threading.Lock()
        self._moved_to = 0.0

    def time(self) -> float:
        """Wall time in seconds since the epoch."""
        return max(self._machine.time(), self._moved_to)

    def monotonic(self) -> float:
        """The machine's: moving the clock takes no time."""
        return self._machine.monotonic()

    def move_to(self, moment: float) -> None:
        """Let it be `moment` (seconds since the epoch); what has passed is past."""
        with self._lock:
            self._moved_to = max(self._moved_to, moment)

    def reset(self) -> None:
        """Take the machine's time again."""
        with self._lock:
            self._moved_to = 0.0
