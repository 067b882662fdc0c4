"""The totals of a store, told again for a while where counting takes long."""

from __future__ import annotations

import threading
import time
from typing import Final

from jobkit.capabilities import Stats
from jobkit.inspection import Inspector

__all__ = ["Totals"]

MANY: Final = 100_000
"""Jobs from which on a total need not be of this very moment."""

_SHARE: Final = 20
"""How much longer than it took to count, the numbers are told again."""

_LONGEST: Final = 5.0


class Totals:
    """Counts, and remembers what was slow to count and is large: at most for five seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = Stats()
        self._until = 0.0

    def of(self, inspector: Inspector) -> Stats:
        """The totals, or what they were a moment ago."""
        with self._lock:
            if time.monotonic() < self._until:
                return self._known
        began = time.monotonic()
        stats = inspector.stats()
        now = time.monotonic()
        if stats.dead + stats.scheduled + stats.enqueued + stats.retry >= MANY:
            with self._lock:
                self._known = stats
                self._until = now + min(_LONGEST, _SHARE * (now - began))
        return stats
