"""Cancelling jobs, and the mark of one that was cancelled while it ran.

The mark stands at the very beginning of the payload's text, so that a store can set it, see it and
keep it by comparing a few characters, without reading the payload. A worker that takes up a marked
job does not run it, but ends it, hooks included.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from jobkit.capabilities import StoredJob

__all__ = ["CANCEL", "MARK", "SupportsCancel", "is_marked", "marked", "taken_from"]

MARK: Final = '{"cancelled":true,'
"""How the text of a cancelled job begins."""

CANCEL: Final = "cancel:"
"""How an order to a worker begins that names the receipt of a claim that was cancelled."""


def is_marked(text: str) -> bool:
    """True for the text of a cancelled job."""
    return text.startswith(MARK)


def marked(text: str) -> str:
    """The text with the mark; what is no object with members stays as it is."""
    return text if is_marked(text) or not text.startswith('{"') else MARK + text[1:]


def taken_from(orders: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The receipts that were cancelled, and the orders that are something else."""
    receipts = frozenset(each[len(CANCEL) :] for each in orders if each.startswith(CANCEL))
    return receipts, frozenset(each for each in orders if not each.startswith(CANCEL))


class SupportsCancel(ABC):
    """Can cancel jobs, those that run too."""

    @abstractmethod
    def cancel(self, jobs: Sequence[StoredJob]) -> int:
        """Remove each that waits, as `delete` does, and mark each that runs; the number changed.

        A running one must still be held under the claim that its `StoredJob` tells of, and not be
        marked yet; the dead and the completed are left alone. The worker hears of it by
        `Beat.cancelled` of its next beat that names the claim. The mark
        stays with the claim: a Checkpoint does not take it away, and a job that a Requeue, a
        Release, `retire` or a recovery makes wait is marked, and enqueued at once, whatever it
        was to wait for. It is over with an Ack or a Bury.
        """
