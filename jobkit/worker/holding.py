"""What a worker's jobs ask of it while they run."""

from __future__ import annotations

from collections.abc import Callable

from jobkit.adapter import Checkpoint, Claim, Settlement
from jobkit.payload import Payload
from jobkit.worker.desk import Desk

__all__ = ["Holding"]


class Holding:
    """Passes what jobs have to remember to the settler; see `jobkit.holding.Holder`."""

    def __init__(self, desk: Desk, deliver: Callable[[Settlement, float], object]) -> None:
        self._desk = desk
        self._deliver = deliver

    def monotonic(self) -> float:
        return self._desk.clock.monotonic()

    def holds(self, claim: Claim) -> bool:
        return claim.receipt in self._desk.held

    def is_cancelled(self, claim: Claim) -> bool:
        return claim.receipt in self._desk.cancelled

    def save(self, claim: Claim, payload: Payload) -> None:
        self._deliver(Checkpoint(claim, payload), -1.0)
