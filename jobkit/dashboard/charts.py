"""Numbers as bars, drawn on the server, so that they are there without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from jobkit.capabilities import DayStats

__all__ = ["HEIGHT", "Bar", "daily"]

HEIGHT: Final = 100
"""Of a chart, in units of its own."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: runs that ended well below, those that failed on top; heights of `HEIGHT`."""

    date: date
    processed: int
    failed: int
    succeeded_height: float
    failed_height: float


def daily(days: Sequence[DayStats]) -> list[Bar]:
    """A bar for each day, the highest as high as the chart."""
    most = max((day.processed for day in days), default=0) or 1
    return [
        Bar(
            date=day.date,
            processed=day.processed,
            failed=day.failed,
            succeeded_height=_height(day.processed - day.failed, most),
            failed_height=_height(day.failed, most),
        )
        for day in days
    ]


def _height(runs: int, most: int) -> float:
    return round(max(0, runs) * HEIGHT / most, 2)
