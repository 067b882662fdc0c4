"""Numbers as bars, drawn on the server, so that they are there without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from jobkit.capabilities import DayStats
from jobkit.inspection import ClassMetrics
from jobkit.measures import MinuteStats

__all__ = ["HEIGHT", "Bar", "Chart", "Times", "daily", "minutely", "times"]

HEIGHT: Final = 100
"""Of a chart, in units of its own."""

_MOST_BARS: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """Runs that ended well below, those that failed on top; heights of `HEIGHT`."""

    label: str
    processed: int
    failed: int
    succeeded_height: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, the highest as high as the chart: that is `most`. `first` and `last` stand below."""

    bars: list[Bar]
    most: int
    first: str
    last: str
    processed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Times:
    """A class's histogram as heights of `HEIGHT`, from the first bucket that has a run on."""

    bars: list[tuple[str, int, float]]


def daily(days: Sequence[DayStats]) -> Chart:
    """A bar for each day."""
    return _chart((f"{day.date:%b %-d}", day.processed, day.failed) for day in days)


def minutely(minutes: Sequence[MinuteStats]) -> Chart:
    """A bar for each minute, or for several where there would be too many."""
    step = -(-len(minutes) // _MOST_BARS)
    slices = [minutes[at : at + step] for at in range(0, len(minutes), step)]
    return _chart(
        (
            f"{some[0].at:%H:%M}",
            sum(minute.processed for minute in some),
            sum(minute.failed for minute in some),
        )
        for some in slices
    )


def times(metrics: ClassMetrics) -> Times:
    """What a class's runs took, without the empty buckets at both ends."""
    buckets = [(_end(bucket.below), bucket.runs) for bucket in metrics.histogram]
    filled = [nth for nth, (_, runs) in enumerate(buckets) if runs]
    if not filled:
        return Times([])
    shown = buckets[max(0, filled[0] - 1) : filled[-1] + 2]
    most = max(runs for _, runs in shown)
    return Times([(label, runs, _height(runs, most)) for label, runs in shown])


def _chart(found: Iterable[tuple[str, int, int]]) -> Chart:
    values = [*found]
    most = max((processed for _, processed, _ in values), default=0)
    bars = [
        Bar(
            label=label,
            processed=processed,
            failed=failed,
            succeeded_height=_height(processed - failed, most),
            failed_height=_height(failed, most),
        )
        for label, processed, failed in values
    ]
    first, last = (values[0][0], values[-1][0]) if values else ("", "")
    processed, failed = sum(each[1] for each in values), sum(each[2] for each in values)
    return Chart(bars, most, first, last, processed, failed)


def _height(runs: int, most: int) -> float:
    return round(max(0, runs) * HEIGHT / (most or 1), 2)


def _end(below: float | None) -> str:
    if below is None:
        return "longer"
    return f"{below * 1000:.0f} ms" if below < 1 else f"{below:g} s"
