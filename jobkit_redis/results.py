"""What jobs came to, each under a key of its own that the server lets expire."""

from __future__ import annotations

import math
from typing import Any

from jobkit.adapter import Ack, Bury, Settlement
from jobkit_redis.keys import encoded
from jobkit_redis.placing import KeyList
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store

__all__ = ["Results", "kept"]


class Results:
    """See `SupportsResults`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, job_id: str) -> str | None:
        """See `SupportsResults.result`."""
        (found,) = self._store.here.pool.ask(("GET", self._store.keys.result(job_id)))
        if found is None:
            return None
        ends_at, _, text = decoded(found).partition(" ")
        # Where no clock is given the server's own time has ended it.
        now = self._store.now
        return text if not now or float(ends_at) > float(now) else None


def kept(settlement: Settlement, keys: KeyList) -> tuple[Any, ...]:
    """What has the script keep a settlement's result."""
    if not isinstance(settlement, Ack | Bury) or settlement.result is None:
        return ()
    at = keys.result(settlement.claim.payload.id)
    result = settlement.result
    return ("V", at, encoded(result.text), repr(result.seconds), math.ceil(result.seconds * 1000))
