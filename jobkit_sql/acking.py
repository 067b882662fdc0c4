"""Settling jobs that are done and had nothing besides, as nearly all are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from jobkit import batching, limits, payload
from jobkit.adapter import Ack, Claim, Settlement, Tally
from jobkit.clock import as_datetime
from jobkit_sql.store import Store, again_if_undone

__all__ = ["Acks"]

_RECEIPT: Final = re.compile(r"[1-9][0-9]{0,17}\.[0-9a-f]{1,32}")
_MORE: Final = (payload.MARK, limits.MARK, batching.MARK)
"""What the text of a job with a lock, a limit or a batch has."""


class Acks:
    """Removes and counts done jobs by the database's own shortest way, where they need no other."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, settlements: Sequence[Settlement], now: float) -> list[Claim] | None:
        """The claims that were not held. None: nothing was done, and it takes the long way."""
        if not all(map(_is_plain, settlements)):
            return None
        receipts = [each.claim.receipt for each in settlements]
        held = self._removed(receipts, as_datetime(now).date().isoformat())
        if held is None:
            return None
        if len(held) == len(receipts):
            return []
        stale: list[Claim] = []
        for settlement in settlements:
            key = int(settlement.claim.receipt.partition(".")[0])
            if key in held:
                held.discard(key)  # twice in a batch, it is held once
            else:
                stale.append(settlement.claim)
        return stale

    @again_if_undone
    def _removed(self, receipts: list[str], today: str) -> set[int] | None:
        return self._store.ack(receipts, today)


def _is_plain(settlement: Settlement) -> bool:
    if not (
        isinstance(settlement, Ack)
        and settlement.result is None
        and settlement.tally is Tally.PROCESSED
    ):
        return False
    claim = settlement.claim
    text = claim.payload.text
    return not any(mark in text for mark in _MORE) and bool(_RECEIPT.fullmatch(claim.receipt))
