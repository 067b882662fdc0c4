"""Who is at work: all threads, or one where more would only wait for each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from jobkit.clock import Clock
from jobkit.worker.pace import Pace
from jobkit.worker.pool import Pool

__all__ = ["LOOK", "Sizing"]

LOOK: Final = 0.03
"""Seconds between looks while one is at work: so long a job may wait behind one that waits.

To look takes the interpreter's lock from who is at work: at 0.01 two processes lose a tenth.
"""

_SELDOM: Final = 0.2
"""Seconds between looks while all are."""

_MANY: Final = 5_000
"""Jobs a second from which on one thread is tried."""

_FEW: Final = 1_000
"""Jobs a second below which one thread is held up, if claims wait."""

_TRIAL: Final = 2 * LOOK
"""Seconds after which it shows if one thread does far less than all did."""

_FAR_LESS: Final = 0.6
"""Times what all did: as much as the rate of the same jobs varies from moment to moment."""

_WINDOW: Final = 0.3
"""Seconds by which is judged whether jobs wait for something: several batches of outcomes."""

_OTHERS: Final = 3.0
"""Times the mean duration, or one over that, that tells jobs from others."""

_WAITED: Final = 1.5
"""Times the process's CPU time that the jobs of one thread may last."""

_AGAIN: Final = 3.0
"""Seconds until one thread is tried again; twice as many each time that it did not do."""

_SELDOM_TRIED: Final = 60.0
"""At most so many."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What there is to see at a moment: sums since the worker's start, times in seconds."""

    at: float
    taken: int
    ended: int
    lasted: float
    cpu: float
    waiting: bool
    running: frozenset[str]

    def rate(self, since: _Sight) -> float:
        """Jobs a second that threads have taken."""
        return (self.taken - since.taken) / (self.at - since.at)

    def mean(self, since: _Sight) -> float:
        """Seconds that each job lasted that has ended."""
        return (self.lasted - since.lasted) / (self.ended - since.ended)


class Sizing:
    """Has one thread do all jobs while they are tiny and wait for nothing, and else all threads.

    Threads that want nothing but the interpreter's lock get no more done than one does. They make
    each other and the claimer wait for it, and whom they call the system may put on the core where
    another process is at work. Whether jobs wait for something else is told by how long they last
    beside the CPU time that the process takes. A job that lasts from look to look has a thread of
    its own, beside the one.

    On a store that is quick, the one is the thread that leads, which claims and settles as well:
    beside a long job another thread leads in its place.

    One thread looks, and decides; those that decide nothing read `Pace`.
    """

    def __init__(
        self,
        pool: Pool,
        pace: Pace,
        clock: Clock,
        cpu: Callable[[], float] = time.process_time,
        *,
        quick: bool = False,
        always_all: bool = False,
    ) -> None:
        """`cpu` tells the seconds of CPU time that the process has taken.

        `always_all`: where that says nothing of the jobs, or one thread cannot be enough. `quick`:
        see `Features`.
        """
        self._pool = pool
        self._pace = pace
        self._clock = clock
        self._cpu = cpu
        self._quick = quick
        self._last = self._since = self._sight()
        self._all_did = 0.0
        """Jobs a second before one thread was tried; 0 once that has proved to do."""
        self._mean = 0.0
        """Seconds that the jobs lasted with which that was proved."""
        self._pause = _AGAIN
        self._again = inf if always_all else 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return LOOK if self._pace.one else _SELDOM

    def look(self) -> None:
        """See whether another number of threads should be at work."""
        last, now = self._last, self._sight()
        if now.at <= last.at:
            return
        self._last = now
        if not self._pace.one:
            if now.rate(last) >= _MANY and now.at >= self._again:
                self._all_did, self._since = now.rate(last), now
                self._have_one(last.running & now.running)
        elif not self._does(last, now):
            self._again, self._pause = now.at + self._pause, min(2 * self._pause, _SELDOM_TRIED)
            self._have_all()
        else:
            if now.at - self._since.at >= _WINDOW:
                self._prove(now)
            if self._pace.one:
                self._have_one(last.running & now.running)

    def _does(self, last: _Sight, now: _Sight) -> bool:
        """False when it shows that one thread does not do."""
        since = self._since
        seconds = now.at - since.at
        if last.waiting and now.waiting and now.rate(last) < _FEW:
            return False
        if seconds >= _TRIAL and now.rate(since) < _FAR_LESS * self._all_did:
            return False
        if seconds < _WINDOW:
            return True
        if now.ended - since.ended < _MANY * seconds:
            return False
        return now.lasted - since.lasted <= _WAITED * (now.cpu - since.cpu)

    def _prove(self, now: _Sight) -> None:
        """Note that it does; with other jobs than before that is to be tried anew."""
        mean, known = now.mean(self._since), 0.0 if self._all_did else self._mean
        self._since, self._all_did, self._mean, self._pause = now, 0.0, mean, _AGAIN
        if known and not known / _OTHERS <= mean <= known * _OTHERS:
            self._have_all()

    def _have_one(self, long: frozenset[str]) -> None:
        """Have one at work, beside those that have a long job."""
        pace = self._pace
        before, pace.one = pace.at_work, True
        if self._quick:
            self._pool.relieve(long)
            return
        pace.beside = len(long)
        if pace.at_work > before:
            self._pool.call(pace.at_work)

    def _have_all(self) -> None:
        self._pace.one, self._pace.beside = False, 0
        # In this order: the one may be the thread that leads, which is not counted as at work.
        self._pool.relieve()
        self._pool.call(self._pace.at_work)

    def _sight(self) -> _Sight:
        pool, pace = self._pool, self._pace
        running = frozenset(claim.receipt for claim in pool.running())
        waits = pool.waiting() > 0
        return _Sight(
            self._clock.monotonic(),
            pool.taken(),
            pace.ended,
            pace.lasted,
            self._cpu(),
            waits,
            running,
        )
