"""How much work to hold in hand: enough that tiny jobs flow, never so much that it is hoarded."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["HOLD", "PATIENCE", "TURN", "Pace", "Waiting"]

HOLD: Final = 0.03
"""Seconds of work, by the recent duration of jobs, that may wait in hand."""

TURN: Final = 0.01
"""Seconds of work that one thread does before it settles that and asks for more."""

PATIENCE: Final = 0.05
"""Seconds after which a job that has not started is given back."""

_MOST = 1_000
_NEWEST = 0.3


class Pace:
    """The recent duration of jobs, and what follows for how many are held.

    Written by one thread, read by others.
    """

    def __init__(self, concurrency: int) -> None:
        self.one = False
        """One thread is to run the jobs in hand, and no other; see `Sizing`."""
        self.beside = 0
        """Threads that have a long job each, beside that."""
        self.ended = 0
        """Jobs that have ended since the start."""
        self.lasted = 0.0
        """Seconds that these took in all."""
        self._threads = concurrency
        self._mean: float | None = None

    @property
    def threads(self) -> int:
        """Threads that are to share the jobs in hand."""
        return 1 if self.one else self._threads

    @property
    def at_work(self) -> int:
        """Threads that are to be at work."""
        return min(self._threads, self.threads + self.beside)

    def observe(self, jobs: int, seconds: float) -> None:
        """So many jobs took so long in all."""
        self.ended += jobs
        self.lasted += seconds
        mean = seconds / jobs
        known = self._mean
        self._mean = mean if known is None else known + _NEWEST * (mean - known)

    def stalled(self) -> None:
        """What was known is no longer true: hold nothing until jobs have ended again."""
        self._mean = None

    def prefetch(self) -> int:
        """Jobs to hold beyond what the threads can start at once."""
        return min(_MOST, self._within(HOLD))

    def low(self) -> int:
        """Jobs in hand at which more are asked for: what lasts for half the hold.

        It takes a while to be given the interpreter's lock for all that it takes to ask, and
        whatever is tiny must last so long. But never so often that a quarter is not gone.
        """
        return min(_MOST * 3 // 4, self._within(HOLD / 2))

    def turn(self) -> int:
        """Jobs that one thread is to run between its claims; 0 while that is not known."""
        if self._mean is None:
            return 0
        return max(1, min(_MOST // 2, int(TURN / max(self._mean, 1e-6))))

    def _within(self, seconds: float) -> int:
        if self._mean is None:
            return 0
        return int(seconds * self.threads / max(self._mean, 1e-6))


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
