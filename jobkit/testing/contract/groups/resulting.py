"""Results: what a job came to is kept in the step that ends it, for as long as it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Claim, Release, Settlement
from jobkit.results import Result, SupportsResults
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import claim_one, enqueue, register

__all__ = ["Resulting"]


def _acked(held: Claim, result: Result | None) -> Settlement:
    return Ack(held, result=result)


def _buried(held: Claim, result: Result | None) -> Settlement:
    return Bury(held, held.payload, result=result)


class Resulting:
    """`SupportsResults`."""

    @pytest.mark.parametrize("ended", [_acked, _buried])
    def test_a_result_is_kept_with_the_end_of_its_job(
        self,
        adapter: Adapter,
        results: SupportsResults,
        worker: str,
        ended: Callable[[Claim, Result | None], Settlement],
    ) -> None:
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        assert results.result(job.id) is None
        assert adapter.settle([ended(held, Result('{"value": "a ü"}', 60))]) == []
        assert results.result(job.id) == '{"value": "a ü"}'
        assert results.result("0" * 32) is None

    def test_a_job_that_brings_none_has_none(
        self, adapter: Adapter, results: SupportsResults, worker: str
    ) -> None:
        first, second = enqueue(adapter), enqueue(adapter)
        held = [claim_one(adapter, worker), claim_one(adapter, worker)]
        adapter.settle([Ack(held[0]), Ack(held[1], result=Result("2", 60))])
        assert [results.result(each.id) for each in (first, second)] == [None, "2"]

    def test_a_result_is_over_when_its_time_is(
        self, adapter: Adapter, results: SupportsResults, worker: str, clock: ManualClock
    ) -> None:
        jobs = [enqueue(adapter), enqueue(adapter)]
        for seconds in (10, 1000):
            adapter.settle([Ack(claim_one(adapter, worker), result=Result("1", seconds))])
        clock.advance(9)
        assert [results.result(each.id) for each in jobs] == ["1", "1"]
        clock.advance(2)
        assert [results.result(each.id) for each in jobs] == [None, "1"]
        adapter.maintain(limit=100)
        assert [results.result(each.id) for each in jobs] == [None, "1"]

    def test_a_stale_claim_leaves_no_result(
        self, adapter: Adapter, results: SupportsResults, worker: str
    ) -> None:
        job = enqueue(adapter)
        stale = claim_one(adapter, worker)
        adapter.settle([Release(stale)])
        held = claim_one(adapter, register(adapter, "heir"))
        assert adapter.settle([Ack(stale, result=Result("stale", 60))]) == [stale]
        assert results.result(job.id) is None
        adapter.settle([Ack(held, result=Result("held", 60))])
        assert adapter.settle([Ack(stale, result=Result("stale", 60))]) == [stale]
        assert results.result(job.id) == "held"

    def test_a_later_result_takes_the_place_of_an_earlier_one(
        self, adapter: Adapter, results: SupportsResults, worker: str
    ) -> None:
        job = enqueue(adapter)
        adapter.settle([Ack(claim_one(adapter, worker), result=Result("first", 60))])
        enqueue(adapter, jid=job.id)
        adapter.settle([Ack(claim_one(adapter, worker), result=Result("second", 60))])
        assert results.result(job.id) == "second"

    def test_unique_jobs_under_limits_have_results_too(
        self, adapter: Adapter, results: SupportsResults, worker: str
    ) -> None:
        job = enqueue(
            adapter,
            limits=[{"key": "k", "to": 1}],
            unique={"lock": "l", "until": "success", "on_conflict": "skip"},
        )
        adapter.settle([Ack(claim_one(adapter, worker), result=Result("1", 60))])
        assert results.result(job.id) == "1"
