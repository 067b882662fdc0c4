"""How much work to hold in hand: enough that tiny jobs flow, never so much that it is hoarded."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["HOLD", "PATIENCE", "Pace", "Waiting"]

HOLD: Final = 0.03
"""Seconds of work, by the recent duration of jobs, that may wait in hand."""

PATIENCE: Final = 0.05
"""Seconds after which a job that has not started is given back."""

_MOST = 1_000
_NEWEST = 0.3


class Pace:
    """The recent duration of jobs, and what follows for the prefetch.

    Written by one thread, read by others.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._mean: float | None = None

    def observe(self, jobs: int, seconds: float) -> None:
        """So many jobs took so long in all."""
        mean = seconds / jobs
        known = self._mean
        self._mean = mean if known is None else known + _NEWEST * (mean - known)

    def stalled(self) -> None:
        """What was known is no longer true: hold nothing until jobs have ended again."""
        self._mean = None

    def prefetch(self) -> int:
        """Jobs to hold beyond what the threads can start at once."""
        if self._mean is None:
            return 0
        return min(_MOST, int(HOLD * self._concurrency / max(self._mean, 1e-6)))


class Waiting:
    """How long the oldest job that was handed over has waited for a thread.

    Kept by batch, so that no job costs a clock reading.
    """

    def __init__(self) -> None:
        self._handed = 0
        self._batches: deque[tuple[int, float]] = deque()

    def handed(self, jobs: int, now: float) -> None:
        """So many were handed over at `now`, in monotonic seconds."""
        self._handed += jobs
        self._batches.append((self._handed, now))

    def age(self, left: int, now: float) -> float:
        """Seconds the oldest of the `left` jobs that have not started has waited."""
        taken = self._handed - left
        while self._batches and self._batches[0][0] <= taken:
            self._batches.popleft()
        return now - self._batches[0][1] if self._batches and left else 0.0
