"""Claiming: each job to one worker, in the order of queue, priority and age."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobkit.adapter import Adapter, Release, Requeue, State
from jobkit.errors import LeaseLost
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    ids,
    payload,
    peek,
    promote,
    register,
)

__all__ = ["Claiming", "Ordering", "Prioritizing"]


class Claiming:
    """`claim`."""

    def test_a_job_is_claimed_once(
        self, adapter: Adapter, connect: Callable[[], Adapter], worker: str, other: str
    ) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        assert claim(adapter, worker) == []
        assert claim(connect(), other) == []

    def test_no_more_than_the_limit_is_claimed(self, adapter: Adapter, worker: str) -> None:
        adapter.enqueue([payload() for _ in range(5)])
        assert [len(claim(adapter, worker, limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_the_limit_is_filled_from_several_queues(self, adapter: Adapter, worker: str) -> None:
        jobs = [enqueue(adapter, queue=queue) for queue in ("a", "a", "b", "c", "c")]
        claims = claim(adapter, worker, "a", "b", "c", limit=4)
        assert ids(claims) == [job.id for job in jobs[:4]]

    def test_only_the_queues_named_are_claimed_from(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter, queue="a")
        job = enqueue(adapter, queue="b")
        assert ids(claim(adapter, worker, "b")) == [job.id]

    def test_an_unknown_queue_is_empty(self, adapter: Adapter, worker: str) -> None:
        assert claim(adapter, worker, "unknown") == []

    def test_no_queues_hold_no_jobs(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        assert adapter.claim([], limit=10, worker=worker) == []

    def test_a_queue_named_twice_lends_each_job_once(self, adapter: Adapter, worker: str) -> None:
        jobs = [enqueue(adapter) for _ in range(2)]
        assert ids(claim(adapter, worker, "default", "default")) == [job.id for job in jobs]

    @pytest.mark.parametrize("name", ["Mail", "mail.low", "queue:mail", "schedule", "9-_"])
    def test_a_queue_is_no_other_queue(self, adapter: Adapter, worker: str, name: str) -> None:
        enqueue(adapter, queue="mail")
        job = enqueue(adapter, queue=name)
        assert ids(claim(adapter, worker, name)) == [job.id]

    def test_every_claim_has_a_receipt_of_its_own(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        first = claim_one(adapter, worker)
        adapter.settle([Release(first)])
        enqueue(adapter)
        receipts = {each.receipt for each in [first, *claim(adapter, worker)]}
        assert len(receipts) == 3

    def test_a_claim_tells_how_often_its_workers_were_lost(
        self, adapter: Adapter, worker: str
    ) -> None:
        enqueue(adapter, queue="new")
        enqueue(adapter, queue="known", deliveries=2)
        assert claim_one(adapter, worker, "new").deliveries == 0
        assert claim_one(adapter, worker, "known").deliveries == 2

    def test_what_a_run_does_to_its_arguments_is_not_seen_by_the_next(
        self, adapter: Adapter, worker: str
    ) -> None:
        enqueue(adapter, args=[["as it was"]])
        first = claim_one(adapter, worker)
        first.payload.args[0].append("changed by the run")
        adapter.settle([Release(first)])
        assert claim_one(adapter, worker).payload.args == [["as it was"]]

    def test_a_worker_that_never_registered_may_not_claim(self, adapter: Adapter) -> None:
        job = enqueue(adapter)
        with pytest.raises(LeaseLost):
            claim(adapter, "nobody")
        assert peek(adapter) == [job.id]

    def test_a_worker_that_left_may_not_claim(self, adapter: Adapter, worker: str) -> None:
        job = enqueue(adapter)
        adapter.retire(worker)
        with pytest.raises(LeaseLost):
            claim(adapter, worker)
        assert peek(adapter) == [job.id]


class Ordering:
    """The order of queues, and of age in one queue."""

    def test_queues_are_served_in_the_order_given(self, adapter: Adapter) -> None:
        in_a, in_b = enqueue(adapter, queue="a"), enqueue(adapter, queue="b")
        assert peek(adapter, "a", "b") == [in_a.id, in_b.id]
        assert peek(adapter, "b", "a") == [in_b.id, in_a.id]

    def test_a_later_queue_waits_until_the_earlier_is_empty(
        self, adapter: Adapter, worker: str
    ) -> None:
        last = enqueue(adapter, queue="b")
        first = [enqueue(adapter, queue="a") for _ in range(3)]
        claims = [claim(adapter, worker, "a", "b", limit=1)[0] for _ in range(4)]
        assert ids(claims) == [*(job.id for job in first), last.id]

    def test_the_older_job_is_claimed_first(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs: list[str] = []
        for _ in range(5):
            clock.advance(1)
            jobs.append(enqueue(adapter).id)
        claims = [claim_one(adapter, worker) for _ in range(5)]
        assert ids(claims) == jobs

    def test_of_one_moment_the_one_that_came_first_is_claimed_first(self, adapter: Adapter) -> None:
        jobs = [enqueue(adapter, jid=f"{9 - nth}").id for nth in range(5)]
        assert peek(adapter) == jobs

    def test_age_counts_across_several_claims(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs = [enqueue(adapter).id for _ in range(3)]
        clock.advance(1)
        early = ids(claim(adapter, worker, limit=2))
        jobs += [enqueue(adapter).id for _ in range(3)]
        assert [*early, *ids(claim(adapter, worker))] == jobs


class Prioritizing:
    """The order of priorities in one queue."""

    @pytest.fixture(autouse=True)
    def _needs_priorities(self, adapter: Adapter) -> None:
        if not adapter.features.priority:
            pytest.skip(f"{type(adapter).__name__} has no priorities (features.priority)")

    def test_the_lower_number_is_claimed_first(self, adapter: Adapter) -> None:
        jobs = {number: enqueue(adapter, priority=number) for number in (0, 100, -1, 7, -100)}
        assert peek(adapter) == [jobs[number].id for number in (-100, -1, 0, 7, 100)]

    def test_no_priority_is_zero(self, adapter: Adapter) -> None:
        after, without = enqueue(adapter, priority=1), enqueue(adapter)
        before = enqueue(adapter, priority=-1)
        assert peek(adapter) == [before.id, without.id, after.id]

    @pytest.mark.parametrize("priority", [-3, 0, 3])
    def test_among_equals_the_older_is_first(
        self, adapter: Adapter, clock: ManualClock, priority: int
    ) -> None:
        jobs: list[str] = []
        for _ in range(3):
            jobs.append(enqueue(adapter, priority=priority).id)
            clock.advance(1)
        assert peek(adapter) == jobs

    def test_an_urgent_job_overtakes_the_older_ones(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        older = enqueue(adapter)
        clock.advance(60)
        urgent = enqueue(adapter, priority=-5)
        claims = [claim_one(adapter, worker) for _ in range(2)]
        assert ids(claims) == [urgent.id, older.id]

    def test_the_queue_counts_more_than_the_priority(self, adapter: Adapter) -> None:
        urgent = enqueue(adapter, queue="b", priority=-5)
        ordinary = enqueue(adapter, queue="a", priority=5)
        assert peek(adapter, "a", "b") == [ordinary.id, urgent.id]

    def test_a_full_slice_goes_to_the_most_urgent(self, adapter: Adapter) -> None:
        adapter.enqueue([payload(priority=number % 10) for number in range(50)])
        worker = register(adapter, "worker")
        claims = claim(adapter, worker, limit=12)
        assert [each.payload.priority for each in claims] == [0] * 5 + [1] * 5 + [2] * 2

    def test_a_promoted_job_keeps_its_priority(self, adapter: Adapter, clock: ManualClock) -> None:
        last = enqueue(adapter, priority=9, scheduled_at=clock.time() + 1)
        first = enqueue(adapter, priority=-9, scheduled_at=clock.time() + 2)
        clock.advance(2)
        promote(adapter)
        ordinary = enqueue(adapter)
        assert peek(adapter) == [first.id, ordinary.id, last.id]

    def test_a_job_can_come_back_with_another_priority(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs = [enqueue(adapter) for _ in range(2)]
        held = claim_one(adapter, worker)
        clock.advance(1)
        urgent = held.payload.replace(priority=-1)
        adapter.settle([Requeue(held, urgent, State.ENQUEUED)])
        assert peek(adapter) == [job.id for job in jobs]
