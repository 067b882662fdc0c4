"""What a worker does while there is nothing to claim."""

from __future__ import annotations

import threading
from typing import Final

from jobkit.adapter import Claim
from jobkit.capabilities import SupportsWait
from jobkit.offering import SupportsOffers
from jobkit.worker.desk import Desk
from jobkit.worker.pool import Pool

__all__ = ["GLANCE", "IDLE_WAIT", "POLL", "Idle"]

IDLE_WAIT: Final = 0.25
"""Seconds between looks at a store without anything to do; a store that can wait wakes sooner."""

POLL: Final = 0.1
"""Seconds between looks at a store that cannot wait."""

GLANCE: Final = 0.005
"""Seconds between looks in a burst while its own jobs run, which may enqueue others."""

_BRIEF: Final = 0.001
"""Seconds that jobs which run are first waited for, and then four times as long each time."""


class Idle:
    """Waits for work as well as the store can; offers to take the next job, if nothing runs.

    Only then, and not in somebody else's program: where other code runs it may hold the GIL for
    long, and another worker would be sooner.
    """

    def __init__(self, desk: Desk, pool: Pool, ending: threading.Event) -> None:
        self._desk = desk
        self._pool = pool
        self._ending = ending
        self._offering = False
        self._pause = _BRIEF

    def end(self) -> None:
        """There is work."""
        self._pause = _BRIEF

    def offer(self) -> list[Claim]:
        """Wait, and take what is lent meanwhile. Raises AdapterError."""
        desk, adapter = self._desk, self._desk.adapter
        alone = not (desk.options.burst or desk.options.embedded)
        if not alone or not isinstance(adapter, SupportsOffers):
            return self.wait()
        if not self._pool.idle():
            pause, self._pause = self._pause, min(self._pause * 4, IDLE_WAIT)
            return self.wait(pause)
        self._offering = True
        return adapter.offer(desk.options.queues.names, IDLE_WAIT, worker=desk.identity)

    def wait(self, timeout: float = IDLE_WAIT) -> list[Claim]:
        """Return when there may be work, with nothing. Raises AdapterError."""
        adapter = self._desk.adapter
        if self._desk.options.burst:
            self._ending.wait(GLANCE)  # what its own jobs enqueue is work, too
        elif isinstance(adapter, SupportsWait):
            adapter.wait(self._desk.options.queues.names, timeout)
        else:
            self._ending.wait(POLL)
        return []

    def withdraw(self) -> list[Claim]:
        """Have nothing lent any more but by claims; what was. Raises AdapterError."""
        adapter, lent = self._desk.adapter, list[Claim]()
        if self._offering and isinstance(adapter, SupportsOffers):
            lent = adapter.withdraw(self._desk.identity)
        self._offering = False
        return lent
