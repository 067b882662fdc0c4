"""What every part of the memory adapter stands on."""

from __future__ import annotations

from jobkit.adapter import Retention
from jobkit.clock import Clock
from jobkit_inline.memory.store import Store

__all__ = ["Handle"]


class Handle:
    """A store, and the clock and retention by which it is used. Each verb takes the lock once."""

    def __init__(self, store: Store, clock: Clock, retention: Retention) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._lock = store.changed
