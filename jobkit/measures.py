"""What runs took, by class and minute: observations, kept for some hours, beside the exact totals.

The times of a histogram are Sidekiq's (`lib/sidekiq/metrics/shared.rb`), so that its pages and
these can be read from the same counters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

__all__ = [
    "FAILED",
    "KEPT",
    "TIMES",
    "UNTIMED",
    "Measure",
    "MinuteStats",
    "SupportsMetrics",
    "bucket_of",
]

# fmt: off
TIMES: Final = (
    0.02, 0.03, 0.045, 0.065, 0.1, 0.15, 0.225, 0.335, 0.5, 0.75, 1.1, 1.7, 2.5, 3.8, 5.75,
    8.5, 13.0, 20.0, 30.0, 45.0, 65.0, 100.0, 150.0, 225.0, 335.0,
)
# fmt: on
"""Where the buckets of a histogram end, in seconds; one more, without an end, is behind them."""

FAILED: Final = -1
"""The bucket of runs that failed: what they took says nothing about the class."""

UNTIMED: Final = -2
"""The bucket of runs that somebody else counted without one, as Sidekiq does."""

KEPT: Final = 8
"""Hours that minutes are kept."""


def bucket_of(seconds: float) -> int:
    """The bucket of a run that took so long: its end is the first one beyond."""
    return bisect_right(TIMES, seconds)


@dataclass(frozen=True, slots=True)
class Measure:
    """Runs of one class that fell into one bucket, and the seconds they took together."""

    job_class: str
    bucket: int
    runs: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MinuteStats:
    """One minute's runs; `at` is its beginning (UTC)."""

    at: datetime
    processed: int
    failed: int


class SupportsMetrics(ABC):
    """Can keep what workers measured, by the minute. Workers that have nothing to tell call none.

    Minutes older than `KEPT` hours are forgotten, without anybody asking. `hours` is at most that.
    """

    @abstractmethod
    def record(self, measures: Sequence[Measure]) -> None:
        """Add to the minute that it is in the store."""

    @abstractmethod
    def minutes(self, hours: int) -> list[MinuteStats]:
        """The last `hours` of minutes, oldest first, those without a run and the present included.

        `processed` counts the failed ones too.
        """

    @abstractmethod
    def measures(self, hours: int) -> list[Measure]:
        """The sums over the same minutes, in no order.

        The seconds of a class may stand all with one of its measures.
        """
