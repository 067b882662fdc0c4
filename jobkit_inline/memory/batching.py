"""Batches of a memory store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from jobkit.batching import (
    BatchInfo,
    BatchPage,
    Members,
    NewBatch,
    SupportsBatches,
)
from jobkit.payload import Payload
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.uniqueness import admit_all, readable

__all__ = ["Batching"]


class Batching(Handle, SupportsBatches):
    """Keeps batches by id."""

    def enqueue_batch(
        self,
        batch: str,
        payloads: Sequence[Payload],
        *,
        opens: NewBatch | None = None,
        closes: bool = False,
        through: Any = None,
    ) -> list[str | None]:
        del through  # no transaction of anybody's reaches here
        envelopes = readable(payloads)
        batches = self._store.batches
        with self._lock:
            now = self._clock.time()
            batches.demand_for(batch, opens)  # refused before anything is stored
            known = {each.id for each in payloads if self._store.find(each.id) is not None}
            winners = admit_all(self._store, payloads, envelopes, now)
            if opens is not None:
                batches.open(opens, now)
            stored = [each.id for each, lost in zip(payloads, winners, strict=True) if lost is None]
            batches.join(batch, [each for each in stored if each not in known], now)
            if closes:
                batches.close(batch, now)
        return winners

    def batch(self, batch_id: str) -> BatchInfo | None:
        with self._lock:
            kept = self._store.batches.kept.get(batch_id)
            return None if kept is None else kept.info

    def batches(self, *, limit: int = 50, after: str | None = None) -> BatchPage:
        with self._lock:
            found = [
                each.info for each in islice(self._store.batches.newest_first(after), limit + 1)
            ]
        items, more = found[:limit], len(found) > limit
        return BatchPage(items, items[-1].id if more else None)

    def members(
        self, batch_id: str, *, failed: bool, limit: int = 500, after: str | None = None
    ) -> Members:
        with self._lock:
            kept = self._store.batches.kept.get(batch_id)
            if kept is None:
                return Members((), (), None)
            names = sorted(kept.failed if failed else kept.pending)
        found = [name for name in names if after is None or name > after]
        following = found[limit - 1] if len(found) > limit else None
        return Members.of(found[:limit], following)

    def cancel_batch(self, batch_id: str, *, forget: bool = False) -> bool:
        with self._lock:
            return self._store.batches.cancel(batch_id, self._clock.time(), forget=forget)
