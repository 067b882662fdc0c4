"""Rating: never more starts in a time than a limit says."""

from __future__ import annotations

import pytest

from jobkit.adapter import Ack, Adapter, Release, Requeue, State
from jobkit.capabilities import SupportsLimits
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import claim, ids, limited

__all__ = ["Rating"]

MINUTE = {"key": "k", "to": 2, "per": 60.0}


class Rating:
    """`SupportsLimits`: how many start in a time."""

    @pytest.fixture(autouse=True)
    def _needed(self, limiter: SupportsLimits) -> None:
        pass

    def test_never_more_starts_than_the_limit_within_its_time(
        self, adapter: Adapter, worker: str, clock: ManualClock
    ) -> None:
        jobs = [limited(adapter, MINUTE) for _ in range(5)]
        started = claim(adapter, worker)
        adapter.settle([Ack(each) for each in started])
        clock.advance(59.5)
        adapter.maintain(limit=100)
        assert claim(adapter, worker) == []
        clock.advance(1)
        adapter.maintain(limit=100)
        started += claim(adapter, worker)
        assert ids(started) == jobs[:4]

    def test_the_window_slides(self, adapter: Adapter, worker: str, clock: ManualClock) -> None:
        for _ in range(4):
            limited(adapter, MINUTE)
        claim(adapter, worker, limit=1)
        clock.advance(40)
        assert len(claim(adapter, worker)) == 1
        clock.advance(21)
        adapter.maintain(limit=100)
        assert len(claim(adapter, worker)) == 1

    def test_upkeep_says_when_the_next_may_start(
        self, adapter: Adapter, worker: str, clock: ManualClock
    ) -> None:
        for _ in range(3):
            limited(adapter, MINUTE)
        claim(adapter, worker)
        clock.advance(20)
        due_in = adapter.maintain(limit=100).due_in
        assert due_in is not None
        assert 0 < due_in <= 40.001

    def test_a_job_that_never_started_does_not_count(self, adapter: Adapter, worker: str) -> None:
        jobs = [limited(adapter, MINUTE) for _ in range(3)]
        first, second = claim(adapter, worker)
        adapter.settle([Release(first, started=False), Release(second)])
        assert ids(claim(adapter, worker)) == [jobs[0]]

    def test_a_job_that_never_started_does_not_count_though_another_gives_it_back(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        """Recovered it is another claim."""
        jobs = [limited(adapter, MINUTE) for _ in range(3)]
        claim(adapter, worker)
        started, not_started = adapter.recover(worker, to=other)
        assert claim(adapter, other) == []
        adapter.settle([Release(started), Release(not_started, started=False)])
        assert ids(claim(adapter, other)) == [jobs[0]]

    def test_a_start_counts_however_the_job_ended(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        for _ in range(3):
            limited(adapter, MINUTE)
        first, _ = claim(adapter, worker)
        adapter.settle([Requeue(first, first.payload, State.ENQUEUED)])
        adapter.settle([Ack(each) for each in adapter.recover(worker, to=other)])
        assert claim(adapter, other) == []

    def test_what_is_over_a_rate_that_discards_is_lent_to_be_discarded(
        self, adapter: Adapter, worker: str
    ) -> None:
        for _ in range(3):
            limited(adapter, {**MINUTE, "discard": True})
        assert [each.full for each in claim(adapter, worker)] == [None, None, "k"]
