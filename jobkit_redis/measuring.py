"""What workers measured, by the minute, in the hashes that Sidekiq's pages read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jobkit.clock import as_datetime
from jobkit.measures import FAILED, KEPT, UNTIMED, Measure, MinuteStats
from jobkit_redis.keys import encoded
from jobkit_redis.receipts import decoded
from jobkit_redis.replies import pairs
from jobkit_redis.store import Store

__all__ = ["Measuring"]

_MINUTES_KEPT: Final = KEPT * 3600
_TENS_KEPT: Final = 72 * 3600
"""Seconds that hashes of ten minutes are kept, which only Sidekiq's pages read."""


class Measuring:
    """See `SupportsMetrics`.

    A minute's hash has for each class the fields `|p` and `|f` (runs, failures) and `|ms`, as
    Sidekiq 8 writes them, and one for each bucket. Without a namespace its histograms are kept
    as well: they hold 65,535 runs a minute, too few for these.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rest: defaultdict[str, float] = defaultdict(float)
        """By class, what was less than a millisecond."""

    def record(self, measures: Sequence[Measure]) -> None:
        """See `SupportsMetrics.record`."""
        keys = self._store.keys
        head = [self._store.now, keys.own, _MINUTES_KEPT, _TENS_KEPT, int(not keys.own)]
        told = [part for each in measures for part in self._arguments(each)]
        self._store.run("record", [keys.queues], head + told)

    def minutes(self, hours: int) -> list[MinuteStats]:
        """See `SupportsMetrics.minutes`."""
        return [_stats(minute, sums) for minute, sums in self._last(hours)]

    def measures(self, hours: int) -> list[Measure]:
        """See `SupportsMetrics.measures`."""
        totals: Counter[tuple[str, str]] = Counter()
        for _, sums in self._last(hours):
            totals.update(sums)
        return [*_measures(totals)]

    def _arguments(self, measure: Measure) -> tuple[Any, ...]:
        name = measure.job_class
        exact = measure.seconds * 1000 + self._rest[name]
        whole = int(exact)
        self._rest[name] = exact - whole
        return encoded(name), measure.bucket, measure.runs, whole

    def _last(self, hours: int) -> Iterator[tuple[int, dict[tuple[str, str], int]]]:
        """The minutes, oldest first, and what their hashes say, by class and field."""
        last = int(self._store.time() // 60)
        minutes = range(last - hours * 60 + 1, last + 1)
        asked = [("HGETALL", self._store.keys.minute(minute)) for minute in minutes]
        for minute, flat in zip(minutes, self._store.here.pool.ask(*asked), strict=True):
            yield minute, {_field(name): int(number) for name, number in pairs(flat)}


def _field(name: bytes) -> tuple[str, str]:
    job_class, _, field = decoded(name).rpartition("|")
    return job_class, field


def _stats(minute: int, sums: dict[tuple[str, str], int]) -> MinuteStats:
    totals = Counter[str]()
    for (_, field), number in sums.items():
        totals[field] += number
    return MinuteStats(as_datetime(minute * 60), totals["p"], totals["f"])


def _measures(totals: Counter[tuple[str, str]]) -> Iterator[Measure]:
    """What the fields say. Runs of Sidekiq's own are in none of our buckets."""
    classes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (name, field), number in totals.items():
        classes[name][field] = number
    for name, sums in classes.items():
        runs, failed = sums.get("p", 0), sums.get("f", 0)
        buckets = {int(field): number for field, number in sums.items() if field.isdigit()}
        seconds = sums.get("ms", 0) / 1000
        yield Measure(name, UNTIMED, runs - failed - sum(buckets.values()), seconds)
        yield Measure(name, FAILED, failed)
        yield from (Measure(name, bucket, number) for bucket, number in buckets.items())
