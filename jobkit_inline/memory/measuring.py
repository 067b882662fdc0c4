"""What workers measured, kept in a memory store by the minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobkit.clock import as_datetime
from jobkit.measures import FAILED, KEPT, Measure, MinuteStats, SupportsMetrics
from jobkit_inline.memory.handle import Handle

__all__ = ["Measuring"]


_NOTHING: Final = (0, 0.0)


class Measuring(Handle, SupportsMetrics):
    """Keeps sums by minute, class and bucket."""

    def record(self, measures: Sequence[Measure]) -> None:
        with self._lock:
            now = self._minute()
            kept = self._store.measures
            for old in [minute for minute in kept if minute <= now - KEPT * 60]:
                del kept[old]
            sums = kept.setdefault(now, {})
            for each in measures:
                key = (each.job_class, each.bucket)
                sums[key] = _sum(sums.get(key, _NOTHING), each.runs, each.seconds)

    def minutes(self, hours: int) -> list[MinuteStats]:
        with self._lock:
            return [self._stats(minute) for minute in self._last(hours)]

    def measures(self, hours: int) -> list[Measure]:
        totals: dict[tuple[str, int], tuple[int, float]] = {}
        with self._lock:
            for minute in self._last(hours):
                for key, sums in self._store.measures.get(minute, {}).items():
                    totals[key] = _sum(totals.get(key, _NOTHING), *sums)
        return [Measure(*key, runs, seconds) for key, (runs, seconds) in totals.items()]

    def _minute(self) -> int:
        return int(self._clock.time() // 60)

    def _last(self, hours: int) -> range:
        now = self._minute()
        return range(now - hours * 60 + 1, now + 1)

    def _stats(self, minute: int) -> MinuteStats:
        sums = self._store.measures.get(minute, {})
        failed = sum(runs for (_, bucket), (runs, _) in sums.items() if bucket == FAILED)
        processed = sum(runs for runs, _ in sums.values())
        return MinuteStats(as_datetime(minute * 60), processed, failed)


def _sum(sums: tuple[int, float], runs: int, seconds: float) -> tuple[int, float]:
    return sums[0] + runs, sums[1] + seconds
