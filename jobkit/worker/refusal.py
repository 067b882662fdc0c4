"""What becomes of a job when the store will not keep what it became."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from jobkit.adapter import Bury, Checkpoint, Claim, Release, Settlement
from jobkit.clock import Clock
from jobkit.errors import PayloadError, SettlementRefused
from jobkit.failure import failure_of
from jobkit.outcome import Buried
from jobkit.settlement import settlement_of

__all__ = ["Refusals"]

_REASON: Final = "the store refused to keep what the job became"
"""Without a word of the error, which may quote the very text that the store refuses."""

_log = logging.getLogger("jobkit.worker")


class Refusals:
    """Steps down: bury the job as it was claimed; if not even that, release it; then let it be."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused: dict[str, int] = {}

    def instead(self, settlement: Settlement, error: SettlementRefused) -> Settlement | None:
        """What to try in place of a refused settlement; None when there is nothing left."""
        claim = settlement.claim
        if isinstance(settlement, Checkpoint):
            _log.error("the store refused the progress of claim %s: %s", claim.receipt, error)
            return None  # its job runs on, and is not done
        times = self._refused[claim.receipt] = self._refused.get(claim.receipt, 0) + 1
        kind = type(settlement).__name__
        _log.error("the store refused the %s of claim %s: %s", kind, claim.receipt, error)
        if times == 1:
            return self._buried(claim)
        if times == 2:  # noqa: PLR2004 - the second refusal
            _log.critical("claim %s cannot be buried either: it is released", claim.receipt)
            return Release(claim)
        _log.critical("claim %s cannot be released either: its lease must end", claim.receipt)
        return None

    def forget(self, receipts: Iterable[str]) -> None:
        """These claims are settled."""
        if self._refused:
            for receipt in receipts:
                self._refused.pop(receipt, None)

    def _buried(self, claim: Claim) -> Settlement:
        now = self._clock.time()
        failure = failure_of(SettlementRefused(_REASON), now)
        try:
            return settlement_of(claim, Buried(failure, claim.payload.exception_executions), now)
        except PayloadError:
            return Bury(claim, claim.payload)
