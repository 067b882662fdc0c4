"""Lending a job to a worker that waits, in the step that enqueues it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jobkit.adapter import Claim

__all__ = ["SupportsOffers"]


class SupportsOffers(ABC):
    """Can lend a job to a worker that waits, as it is enqueued: no claim has to follow.

    It saves the way to the store and back, half of what a job waits where everybody is idle. It is
    nothing that can be relied on: any job may wait to be claimed instead, and whoever waits is
    woken then.
    """

    @abstractmethod
    def offer(self, queues: Sequence[str], timeout: float, *, worker: str) -> list[Claim]:
        """Wait as `SupportsWait.wait` does; a job that is lent meanwhile ends it, and is returned.

        The worker offers to take one job, which outlives the call: it stands until it was taken,
        or withdrawn. A job is lent for it only where a claim of the same moment would lend it. It
        may be held from its enqueueing on, and so `held` may tell of it before this returns it.
        A claim of the worker's counts what the offer brought as one of its own, and returns it;
        one that returns nothing may have come before the word of it.

        Raises AdapterError; where a job was lent and the word of it got lost, too.
        """

    @abstractmethod
    def withdraw(self, worker: str) -> list[Claim]:
        """Have nothing lent any more; what was lent meanwhile. Raises AdapterError, as `offer`.

        After an error the offer may stand still. A worker that has none may withdraw it.
        """
