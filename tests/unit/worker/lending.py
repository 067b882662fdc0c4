"""A store that lends jobs to a worker that rests."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from jobkit.adapter import Claim
from jobkit.offering import SupportsOffers
from jobkit_inline import MemoryAdapter
from tests.unit.worker.helpers import until

__all__ = ["Lender", "until_counts"]


class Lender(MemoryAdapter, SupportsOffers):
    """Lends every job to a worker that waits, and notes to which of its threads."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[threading.Thread] = []
        self.breaks = False
        self.waits = threading.Semaphore(0)
        self.busy_claims = 0

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        """Nothing, while all rest: what comes is lent."""
        return super().claim(queues, limit=limit, worker=worker) if self.busy_claims else []

    def offer(self, queues: Sequence[str], timeout: float, *, worker: str) -> list[Claim]:
        self.waits.release()
        if self.breaks:
            raise ZeroDivisionError
        lent = super().claim(queues, limit=1, worker=worker)
        if not lent:
            self.wait(queues, timeout)
            lent = super().claim(queues, limit=1, worker=worker)
        if lent:
            self.heard.append(threading.current_thread())
        return lent

    def withdraw(self, worker: str) -> list[Claim]:
        return []


def until_counts(lender: Lender, what: str, number: int) -> None:
    """Wait until the store has counted so many."""
    until(lambda: getattr(lender.stats(), what) == number)
