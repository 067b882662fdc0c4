"""A job that cost two processes runs with no other job beside it.

If it brings down a third, it was alone, and nobody else is charged with that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from jobkit.adapter import Claim, Release, Settlement
from jobkit.worker.desk import Desk
from jobkit.worker.pool import Pool

__all__ = ["SUSPECT", "Alone"]

SUSPECT: Final = 2
"""The deliveries of a job that must run alone."""


class Alone:
    """Between the claimer and the pool: lets all pass, but a suspect only by itself.

    What has not started is given back, what runs may finish, nothing is claimed meanwhile. The
    claimer asks on its own thread; `take_back` may be called from another.
    """

    def __init__(
        self, desk: Desk, pool: Pool, give_back: Callable[[list[Settlement]], None]
    ) -> None:
        self._desk = desk
        self._pool = pool
        self._give_back = give_back
        self._lock = threading.Lock()
        self._suspect: Claim | None = None
        self._started = False

    def admitted(self, claims: list[Claim]) -> list[Claim]:
        """Those of the fresh claims to hand to the pool now: all, or none."""
        if self._suspect is None:
            # A loop: a generator takes longer than what it looks at.
            for claim in claims:
                if claim.deliveries == SUSPECT:
                    break
            else:
                return claims
        with self._lock:
            back = [*self._pool.take_back(), *self._without_suspect(claims)]
        self._give_back([Release(claim, started=False) for claim in back])
        return []

    def holds_back(self) -> bool:
        """True while nothing may be claimed; starts the suspect when it is the only job left."""
        if self._suspect is None:
            return False
        with self._lock:
            return self._waits_or_runs(self._suspect)

    def take_back(self) -> list[Claim]:
        """The suspect, if it has not started: it will not any more."""
        with self._lock:
            if self._suspect is None or self._started:
                return []
            suspect, self._suspect = self._suspect, None
            return [suspect]

    def _waits_or_runs(self, suspect: Claim | None) -> bool:
        held = self._desk.held.keys()
        if suspect is None or suspect.receipt not in held:
            self._suspect = None  # given back meanwhile; settled, or lost with the lease
            return False
        if not self._started and held == {suspect.receipt}:
            self._started = True
            self._pool.hand_over([suspect])
            self._pool.call(self._desk.options.concurrency)
        return True

    def _without_suspect(self, claims: list[Claim]) -> list[Claim]:
        """The claims but for the first suspect, which is kept if none was."""
        if self._suspect is not None:
            return claims
        self._suspect = next(claim for claim in claims if claim.deliveries == SUSPECT)
        self._started = False
        return [claim for claim in claims if claim is not self._suspect]
