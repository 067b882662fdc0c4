"""Limits of a memory store."""

from __future__ import annotations

from jobkit.capabilities import LimitInfo, SupportsLimits
from jobkit_inline.memory.handle import Handle

__all__ = ["Limiting"]


class Limiting(Handle, SupportsLimits):
    """The limits capability: `Store.take` keeps them."""

    def limits(self) -> list[LimitInfo]:
        with self._lock:
            self._store.quotas.aged(self._clock.time())
            return self._store.quotas.infos()
