"""What a class's runs took, as users see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jobkit.measures import FAILED, TIMES, Measure

__all__ = ["ClassMetrics", "TimeBucket", "class_metrics"]

_ENDS: Final = (*TIMES, None)


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """Runs that took less than `below` seconds, and no less than the bucket before; None: more."""

    below: float | None
    runs: int


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class's runs: all, those that failed, and how long the others took.

    `seconds` is their sum and `histogram` has every bucket, the empty ones too.
    """

    job_class: str
    runs: int
    failures: int
    seconds: float
    histogram: tuple[TimeBucket, ...]

    @property
    def mean(self) -> float | None:
        """Seconds that a run takes which does not fail; None when there was none."""
        ended = self.runs - self.failures
        return self.seconds / ended if ended else None

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share of the runs in the histogram ended.

        As exact as the bucket it falls into, whose end it is; infinite beyond the last.
        None when there was none.
        """
        rank = share * sum(bucket.runs for bucket in self.histogram)
        for bucket in self.histogram:
            rank -= bucket.runs
            if bucket.runs and rank <= 0:
                return float("inf") if bucket.below is None else bucket.below
        return None


def class_metrics(measures: Iterable[Measure]) -> list[ClassMetrics]:
    """The measures by class, those that took most time first."""
    classes: defaultdict[str, list[Measure]] = defaultdict(list)
    for measure in measures:
        classes[measure.job_class].append(measure)
    found = [_of(name, theirs) for name, theirs in classes.items()]
    return sorted(found, key=lambda each: (-each.seconds, each.job_class))


def _of(name: str, measures: list[Measure]) -> ClassMetrics:
    runs: defaultdict[int, int] = defaultdict(int)
    for measure in measures:
        runs[measure.bucket] += measure.runs
    return ClassMetrics(
        name,
        sum(runs.values()),
        runs[FAILED],
        sum(measure.seconds for measure in measures),
        tuple(TimeBucket(below, runs[nth]) for nth, below in enumerate(_ENDS)),
    )
