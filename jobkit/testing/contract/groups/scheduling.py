"""Jobs that wait for their time: claimable when it came, and a slice of upkeep noticed."""

from __future__ import annotations

from jobkit.adapter import Adapter, Maintenance, Requeue, State
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import (
    claim_one,
    enqueue,
    payload,
    peek,
    promote,
    unstamped,
)

__all__ = ["Scheduling"]


class Scheduling:
    """`scheduled_at` and `maintain`."""

    def test_a_job_cannot_be_claimed_before_its_time(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        enqueue(adapter, scheduled_at=clock.time() + 10)
        clock.advance(9.5)
        assert promote(adapter) == 0
        assert peek(adapter) == []

    def test_a_job_is_due_at_its_very_moment(self, adapter: Adapter, clock: ManualClock) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 10)
        clock.advance(10)
        assert promote(adapter) == 1
        assert peek(adapter) == [job.id]

    def test_what_is_due_is_promoted_and_nothing_later(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        jobs = {wait: enqueue(adapter, scheduled_at=clock.time() + wait) for wait in (30, 5, 31)}
        clock.advance(30)
        assert promote(adapter) == 2
        assert sorted(peek(adapter)) == sorted([jobs[5].id, jobs[30].id])

    def test_the_sooner_due_is_claimed_first(self, adapter: Adapter, clock: ManualClock) -> None:
        jobs = {wait: enqueue(adapter, scheduled_at=clock.time() + wait) for wait in (3, 1, 2)}
        clock.advance(10)
        promote(adapter)
        assert peek(adapter) == [jobs[wait].id for wait in (1, 2, 3)]

    def test_a_promoted_job_is_no_older_than_its_moment_and_no_younger_than_its_promotion(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        promoted = enqueue(adapter, scheduled_at=clock.time() + 10)
        clock.advance(5)
        before = enqueue(adapter)
        clock.advance(10)
        promote(adapter)
        clock.advance(5)
        after = enqueue(adapter)
        assert peek(adapter) == [before.id, promoted.id, after.id]

    def test_a_job_is_promoted_once(self, adapter: Adapter, clock: ManualClock) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 1)
        clock.advance(1)
        assert [promote(adapter) for _ in range(3)] == [1, 0, 0]
        assert peek(adapter) == [job.id]

    def test_promotion_comes_in_slices(self, adapter: Adapter, clock: ManualClock) -> None:
        adapter.enqueue([payload(scheduled_at=clock.time() + 1) for _ in range(5)])
        clock.advance(1)
        slices = [adapter.maintain(limit=2) for _ in range(3)]
        assert [each.promoted for each in slices] == [2, 2, 1]
        assert [each.due_in for each in slices] == [0, 0, None]
        assert len(peek(adapter)) == 5

    def test_many_that_share_one_moment_are_all_promoted(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        jobs = [payload(scheduled_at=clock.time() + 1) for _ in range(250)]
        adapter.enqueue(jobs)
        clock.advance(1)
        assert promote(adapter, limit=100) == 250
        assert sorted(peek(adapter)) == sorted(job.id for job in jobs)

    def test_the_next_job_says_when_upkeep_is_due(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        assert adapter.maintain(limit=10).due_in is None
        for wait in (60, 20, 40):
            enqueue(adapter, scheduled_at=clock.time() + wait)
        clock.advance(5)
        assert _due_in(adapter.maintain(limit=10)) == 15
        clock.advance(15)
        assert _due_in(adapter.maintain(limit=10)) == 20

    def test_a_retry_says_when_upkeep_is_due_too(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        enqueue(adapter)
        enqueue(adapter, scheduled_at=clock.time() + 60)
        held = claim_one(adapter, worker)
        later = held.payload.replace(scheduled_at=clock.time() + 30)
        adapter.settle([Requeue(held, later, State.RETRY)])
        assert _due_in(adapter.maintain(limit=10)) == 30

    def test_a_promoted_job_is_the_job_that_was_scheduled(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        job = enqueue(adapter, queue="mail", scheduled_at=clock.time() + 1, unknown={"a": []})
        clock.advance(1)
        promote(adapter)
        assert unstamped(claim_one(adapter, worker, "mail").payload) == unstamped(job)

    def test_a_clock_that_is_set_back_delays_and_loses_nothing(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 10)
        clock.step(-3600)
        assert promote(adapter) == 0
        clock.step(3610)
        assert promote(adapter) == 1
        assert peek(adapter) == [job.id]

    def test_a_clock_that_is_set_back_does_not_take_a_job_back(
        self, adapter: Adapter, clock: ManualClock
    ) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 10)
        clock.advance(10)
        promote(adapter)
        clock.step(-3600)
        promote(adapter)
        assert peek(adapter) == [job.id]


def _due_in(upkeep: Maintenance) -> float:
    assert upkeep.due_in is not None
    return round(upkeep.due_in, 3)
