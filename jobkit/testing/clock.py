"""A clock that tests move."""

from __future__ import annotations

import threading

__all__ = ["ManualClock"]


class ManualClock:
    """A `jobkit.clock.Clock` that stands still until it is told otherwise. Thread-safe."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._wall = start
        self._elapsed = 0.0

    def time(self) -> float:
        """Wall time in seconds since the epoch."""
        with self._lock:
            return self._wall

    def monotonic(self) -> float:
        """Seconds since the clock was made, steps left out."""
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks. Raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError("time does not go back: use step() to set the wall clock")
        with self._lock:
            self._wall += seconds
            self._elapsed += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator does: no time passes."""
        with self._lock:
            self._wall += seconds
