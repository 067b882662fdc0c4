"""Leases: a worker is there as long as its counter moves; the store only says whether it does."""

from __future__ import annotations

import pytest

from jobkit.adapter import Ack, Adapter, Release
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import (
    beats,
    claim,
    claim_one,
    enqueue,
    ids,
    peek,
    pulse,
)

__all__ = ["Holding", "Leasing", "Retiring"]


class Leasing:
    """`beat`."""

    def test_a_registered_worker_is_seen_with_its_lease(self, adapter: Adapter) -> None:
        beat = adapter.beat("worker", lease=12.5, claims=[], register=True)
        assert (beat.registered, beat.lost, beat.cancelled) == (True, (), ())
        seen = pulse(adapter, "worker")
        assert seen is not None
        assert seen.lease == 12.5

    def test_every_beat_moves_the_counter(self, adapter: Adapter, worker: str) -> None:
        seen = {beats(adapter, worker)}
        for _ in range(5):
            adapter.beat(worker, lease=30.0, claims=[])
            seen.add(beats(adapter, worker))
        assert len(seen) == 6

    def test_the_supervisors_beat_moves_it_too(self, adapter: Adapter, worker: str) -> None:
        before = beats(adapter, worker)
        assert adapter.beat(worker, lease=30.0, claims=None).registered
        assert beats(adapter, worker) != before

    def test_nothing_else_moves_the_counter(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        before = beats(adapter, worker)
        enqueue(adapter)
        held = claim_one(adapter, worker)
        adapter.settle([Release(held)])
        clock.advance(3600)
        adapter.maintain(limit=10)
        assert beats(adapter, worker) == before

    def test_the_counters_of_two_workers_are_two(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        before = beats(adapter, worker)
        adapter.beat(other, lease=30.0, claims=[])
        assert beats(adapter, worker) == before

    def test_a_beat_publishes_the_lease(self, adapter: Adapter, worker: str) -> None:
        adapter.beat(worker, lease=60.0, claims=[])
        seen = pulse(adapter, worker)
        assert seen is not None
        assert seen.lease == 60.0

    def test_the_beat_of_an_unregistered_worker_changes_nothing(self, adapter: Adapter) -> None:
        assert not adapter.beat("nobody", lease=30.0, claims=[]).registered
        assert not adapter.beat("nobody", lease=30.0, claims=None).registered
        assert pulse(adapter, "nobody") is None

    def test_registering_again_keeps_what_is_held(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        beat = adapter.beat(worker, lease=30.0, claims=[held], register=True)
        assert (beat.registered, beat.lost) == (True, ())
        assert adapter.settle([Ack(held)]) == []

    def test_a_beat_names_the_claims_that_were_lost(self, adapter: Adapter, worker: str) -> None:
        for _ in range(3):
            enqueue(adapter)
        lost, kept, also_lost = claim(adapter, worker)
        adapter.settle([Ack(lost), Release(also_lost)])
        beat = adapter.beat(worker, lease=30.0, claims=[lost, kept, also_lost])
        assert {each.receipt for each in beat.lost} == {lost.receipt, also_lost.receipt}

    def test_a_claim_of_another_worker_is_not_held(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        assert adapter.beat(other, lease=30.0, claims=[held]).lost == (held,)
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()

    def test_no_claim_ends_by_itself(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        clock.advance(30 * 86_400)
        adapter.maintain(limit=10)
        assert peek(adapter) == []
        assert adapter.settle([Ack(held)]) == []


class Retiring:
    """`retire`."""

    def test_a_worker_that_leaves_is_not_seen_any_more(self, adapter: Adapter, worker: str) -> None:
        assert adapter.retire(worker) == 0
        assert pulse(adapter, worker) is None
        assert not adapter.beat(worker, lease=30.0, claims=[]).registered

    def test_what_it_held_goes_back_to_the_head_in_order(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs: list[str] = []
        for _ in range(5):
            jobs.append(enqueue(adapter).id)
            clock.advance(1)
        claim(adapter, worker, limit=3)
        assert adapter.retire(worker) == 3
        assert peek(adapter) == jobs

    def test_what_it_held_goes_back_unchanged(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        jobs = [enqueue(adapter, queue=queue) for queue in ("a", "b")]
        claim(adapter, worker, "a", "b")
        adapter.retire(worker)
        assert [each.payload for each in claim(adapter, other, "a", "b")] == jobs

    def test_only_what_it_still_held_goes_back(self, adapter: Adapter, worker: str) -> None:
        for _ in range(2):
            enqueue(adapter)
        done, held = claim(adapter, worker)
        adapter.settle([Ack(done)])
        assert adapter.retire(worker) == 1
        assert peek(adapter) == [held.payload.id]

    def test_the_others_keep_what_they_hold(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, other)
        adapter.retire(worker)
        assert adapter.beat(other, lease=30.0, claims=[held]).lost == ()

    def test_leaving_twice_is_no_error(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        assert [adapter.retire(worker), adapter.retire(worker), adapter.retire("x")] == [1, 0, 0]


class Holding:
    """`held`, where the adapter can tell."""

    @pytest.fixture(autouse=True)
    def _needs_held(self, adapter: Adapter) -> None:
        if adapter.held("nobody") is None:
            pytest.skip(f"{type(adapter).__name__} cannot tell what a worker holds (held)")

    def test_a_lost_answer_is_found_again(self, adapter: Adapter, worker: str, other: str) -> None:
        jobs = [enqueue(adapter) for _ in range(3)]
        claim_one(adapter, other)
        claims = claim(adapter, worker)
        found = adapter.held(worker) or []
        assert sorted(ids(found)) == sorted(job.id for job in jobs[1:])
        assert {each.receipt for each in found} == {each.receipt for each in claims}

    def test_what_was_found_can_be_settled(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        assert adapter.settle([Ack(each) for each in adapter.held(worker) or []]) == []
        assert adapter.held(worker) == []

    def test_the_unknown_hold_nothing(self, adapter: Adapter, worker: str) -> None:
        assert adapter.held(worker) == []
        assert adapter.held("nobody") == []
