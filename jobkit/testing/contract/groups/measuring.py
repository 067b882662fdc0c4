"""Measuring: what runs took is kept by the minute, and forgotten after some hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from jobkit.adapter import Adapter
from jobkit.clock import as_datetime
from jobkit.measures import FAILED, KEPT, TIMES, Measure, SupportsMetrics
from jobkit.testing.clock import ManualClock

__all__ = ["Measuring"]


class Measuring:
    """`SupportsMetrics`."""

    def test_what_was_recorded_is_told_by_class_and_bucket(self, measurer: SupportsMetrics) -> None:
        slowest = len(TIMES)
        given = [Measure("A", 0, 2, 0.03), Measure("A", FAILED, 1), Measure("a|b", slowest, 1, 400)]
        measurer.record(given)
        assert _runs(measurer.measures(1)) == {("A", 0): 2, ("A", FAILED): 1, ("a|b", slowest): 1}
        assert _seconds(measurer.measures(1)) == pytest.approx({"A": 0.03, "a|b": 400}, abs=0.002)

    def test_what_is_recorded_adds_up(
        self, measurer: SupportsMetrics, connect: Callable[[], Adapter], clock: ManualClock
    ) -> None:
        other = connect()
        assert isinstance(other, SupportsMetrics)
        for each in (measurer, other, measurer):
            each.record([Measure("A", 3, 2, 0.12), Measure("B", FAILED, 1)])
            clock.advance(61)
        assert _runs(measurer.measures(1)) == {("A", 3): 6, ("B", FAILED): 3}
        assert _seconds(measurer.measures(1))["A"] == pytest.approx(0.36, abs=0.005)

    def test_of_many_that_record_at_once_nothing_is_lost(self, measurer: SupportsMetrics) -> None:
        def record(nth: int) -> None:
            both = [Measure("A", 0, 1, 0.01), Measure("B", 1, 1, 0.02)]
            measurer.record(both if nth % 2 else both[::-1])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(record, range(40)))
        assert _runs(measurer.measures(1)) == {("A", 0): 40, ("B", 1): 40}

    def test_minutes_are_told_oldest_first_and_without_gaps(
        self, measurer: SupportsMetrics, clock: ManualClock
    ) -> None:
        first = as_datetime(clock.time() // 60 * 60)
        measurer.record([Measure("A", 0, 2, 0.01), Measure("B", FAILED, 1)])
        clock.advance(120)
        measurer.record([Measure("A", FAILED, 3)])
        told = measurer.minutes(1)
        assert [minute.at for minute in told[-3:]] == [
            first + timedelta(minutes=nth) for nth in range(3)
        ]
        counts = [(minute.processed, minute.failed) for minute in told]
        assert counts == [(0, 0)] * 57 + [(3, 1), (0, 0), (3, 3)]
        assert len(measurer.minutes(2)) == 120

    def test_what_is_older_than_asked_for_is_not_told(
        self, measurer: SupportsMetrics, clock: ManualClock
    ) -> None:
        measurer.record([Measure("A", 0, 1, 0.01)])
        clock.advance(3600)
        assert _runs(measurer.measures(1)) == {}
        assert _runs(measurer.measures(2)) == {("A", 0): 1}

    def test_what_is_old_is_forgotten(self, measurer: SupportsMetrics, clock: ManualClock) -> None:
        measurer.record([Measure("A", 0, 1, 0.01)])
        clock.advance(KEPT * 3600 + 60)
        measurer.record([Measure("B", 0, 1, 0.01)])
        # Asked for more than is promised: it is not only left out.
        assert _runs(measurer.measures(2 * KEPT)).keys() <= {("A", 0), ("B", 0)}
        assert ("B", 0) in _runs(measurer.measures(KEPT))

    def test_a_store_without_measures_tells_of_empty_minutes(
        self, measurer: SupportsMetrics
    ) -> None:
        assert measurer.measures(1) == []
        assert [(each.processed, each.failed) for each in measurer.minutes(1)] == [(0, 0)] * 60


def _runs(measures: Iterable[Measure]) -> dict[tuple[str, int], int]:
    return {(each.job_class, each.bucket): each.runs for each in measures if each.runs}


def _seconds(measures: Iterable[Measure]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for each in measures:
        seconds[each.job_class] = seconds.get(each.job_class, 0.0) + each.seconds
    return seconds
