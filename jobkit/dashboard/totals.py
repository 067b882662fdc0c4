"""The totals of a store, counted beside the requests and told with an age where that is slow.

Sizes are counted, not kept: keeping them would cost every run of every job (decision 0100).
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import Final

from jobkit.capabilities import DayStats, Stats
from jobkit.inspection import Inspector

__all__ = ["Told", "Totals"]

MANY: Final = 100_000
"""Jobs from which on a total need not be of this very moment."""

SLOW: Final = 0.02
"""Seconds that counting may take within a request."""

PATIENCE: Final = 0.05
"""Seconds that a request waits for numbers when those it has are old."""

_SHARE: Final = 20
"""How much longer than it took to count, the numbers are told again."""

_LONGEST: Final = 5.0
_OLD: Final = 10.0

_log = logging.getLogger("jobkit.dashboard")


@dataclass(frozen=True, slots=True)
class Told:
    """The totals. `age`: seconds since the sizes were counted; `processed` and `failed` are new."""

    stats: Stats
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was slow to count: when it was, by the monotonic clock, and the runs of its day then."""

    stats: Stats
    at: float
    holds: float
    day: DayStats


class Totals:
    """Counts at once what is quickly counted. Of what is not, tells what was counted last.

    Then a thread counts anew, one at a time, while somebody asks: at most every five seconds.
    """

    def __init__(self) -> None:
        self._known: _Counted | None = None
        self._turn = threading.Lock()
        self._done = threading.Event()

    def of(self, inspector: Inspector) -> Told:
        """The totals now. Raises AdapterError, also where the sizes are those of before."""
        if self._known is None:
            return Told(self._count(inspector))
        known = self._renewed(self._known, inspector)
        return Told(_with_runs(known, inspector), time.monotonic() - known.at)

    def _renewed(self, known: _Counted, inspector: Inspector) -> _Counted:
        age = time.monotonic() - known.at
        if age > known.holds and self._turn.acquire(blocking=False):
            self._done.clear()
            threading.Thread(target=self._count_aside, args=(inspector,), daemon=True).start()
        if age > _OLD:
            self._done.wait(PATIENCE)
        return self._known or known

    def _count_aside(self, inspector: Inspector) -> None:
        try:
            self._count(inspector)
        except Exception:  # noqa: BLE001 - whoever asks next hears of it from the store itself
            _log.warning("the jobs could not be counted", exc_info=True)
        finally:
            self._done.set()
            self._turn.release()

    def _count(self, inspector: Inspector) -> Stats:
        began = time.monotonic()
        stats = inspector.stats()
        ended = time.monotonic()
        took = ended - began
        if took < SLOW or stats.dead + stats.scheduled + stats.enqueued + stats.retry < MANY:
            self._known = None
        else:
            holds = min(_LONGEST, _SHARE * took)
            self._known = _Counted(stats, ended, holds, inspector.history(1)[-1])
        return stats


def _with_runs(known: _Counted, inspector: Inspector) -> Stats:
    """With the runs that ended since, which cost nothing to tell: the live graph needs them."""
    since = [day for day in inspector.history(2) if day.date >= known.day.date]
    return replace(
        known.stats,
        processed=known.stats.processed + sum(day.processed for day in since) - known.day.processed,
        failed=known.stats.failed + sum(day.failed for day in since) - known.day.failed,
    )
