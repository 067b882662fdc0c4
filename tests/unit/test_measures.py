"""What is asked of measures, and how long they are kept."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from jobkit.adapter import Adapter
from jobkit.inspection import Inspector
from jobkit.measures import FAILED, KEPT, TIMES, Measure, SupportsMetrics
from jobkit.testing import ManualClock
from jobkit_inline import MemoryAdapter
from jobkit_sql import SqlAdapter


class TestQuantiles:
    @pytest.mark.parametrize(
        ("share", "seconds"), [(0.0, 0.02), (0.5, 0.02), (0.6, 0.1), (0.9, 0.1), (1.0, 335.0)]
    )
    def test_one_is_the_end_of_the_bucket_it_falls_into(self, share: float, seconds: float) -> None:
        adapter = MemoryAdapter()
        adapter.record([Measure("A", 0, 5, 0.05), Measure("A", 4, 4, 0.3)])
        adapter.record([Measure("A", len(TIMES) - 1, 1, 300.0), Measure("A", FAILED, 90)])
        (metrics,) = Inspector(adapter).metrics()
        assert metrics.quantile(share) == seconds
        assert (metrics.runs, metrics.failures) == (100, 90)
        assert metrics.mean == pytest.approx(30.035)

    def test_there_is_none_without_a_time_and_no_end_to_the_last(self) -> None:
        adapter = MemoryAdapter()
        adapter.record([Measure("A", FAILED, 1)])
        adapter.record([Measure("B", len(TIMES), 1, 400.0)])
        slow, failing = Inspector(adapter).metrics()
        assert (slow.job_class, slow.quantile(0.5)) == ("B", float("inf"))
        assert (failing.job_class, failing.quantile(0.5)) == ("A", None)


@pytest.mark.parametrize(("hours", "told"), [(-1, 60), (0, 60), (2, 120), (10**9, KEPT * 60)])
def test_absurd_hours_are_brought_to_reason(hours: int, told: int) -> None:
    assert len(Inspector(MemoryAdapter()).minutes(hours)) == told


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_minutes_are_forgotten_after_their_hours(kind: str, tmp_path: Path) -> None:
    clock = ManualClock()
    adapter = _adapter(kind, tmp_path, clock)
    assert isinstance(adapter, SupportsMetrics)
    with closing(adapter):
        adapter.record([Measure("A", 0, 1, 0.01)])
        clock.advance(KEPT * 3600 - 60)
        adapter.record([Measure("B", 0, 1, 0.01)])
        assert len(adapter.measures(2 * KEPT)) == 2
        clock.advance(60)
        adapter.record([Measure("C", 0, 1, 0.01)])
        assert {each.job_class for each in adapter.measures(2 * KEPT)} == {"B", "C"}


def _adapter(kind: str, tmp_path: Path, clock: ManualClock) -> Adapter:
    if kind == "memory":
        return MemoryAdapter(clock=clock)
    return SqlAdapter(f"sqlite:///{tmp_path}/jobs.db", clock=clock)
