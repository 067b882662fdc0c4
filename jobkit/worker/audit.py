"""What the store lent to this worker without the worker's hearing of it.

An answer can be lost on its way back: the store has lent the jobs, and nobody runs them. They are
found by asking what the store thinks is held. What is in flight meanwhile must not be taken for
lost, and so the order matters: first what the desk knows is noted, then the store is asked. A
settlement that comes in between was known, and nothing new is lent in between: claims are the
asking thread's own, and recovered jobs come under a lock.
"""

from __future__ import annotations

from jobkit.adapter import Claim
from jobkit.worker.desk import Desk

__all__ = ["Audit"]


class Audit:
    """Looks when an answer was lost, and once in a lease besides. For the claimer's thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._due = desk.clock.monotonic() + desk.options.lease

    def due(self) -> bool:
        """True when it is time to look."""
        return self._desk.unsure or self._desk.clock.monotonic() >= self._due

    def found(self) -> list[Claim]:
        """The claims that the store knows of and the desk does not. Raises AdapterError."""
        desk = self._desk
        with desk.lending:
            identity, known = desk.identity, frozenset(desk.held)
            held = desk.adapter.held(identity) or []
        desk.unsure = False
        # Once more later: a question that got lost may still be under way to the store.
        self._due = desk.clock.monotonic() + desk.options.lease
        if desk.identity != identity:
            return []
        desk.abandoned.intersection_update([claim.receipt for claim in held])
        return [
            claim
            for claim in held
            if claim.receipt not in known and claim.receipt not in desk.abandoned
        ]
