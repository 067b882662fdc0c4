"""Recovery: what a dead worker held is lent to another, once, and the dead one is out."""

from __future__ import annotations

import pytest

from jobkit.adapter import Ack, Adapter, Release, Requeue, State
from jobkit.errors import LeaseLost
from jobkit.testing.contract.support import (
    beats,
    claim,
    claim_one,
    enqueue,
    ids,
    peek,
    pulse,
    register,
)

__all__ = ["Recovering"]


class Recovering:
    """`recover`."""

    def test_what_the_dead_held_is_lent_to_the_heir_unchanged(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        jobs = [enqueue(adapter, queue=queue) for queue in ("a", "b")]
        claim(adapter, worker, "a", "b")
        recovered = adapter.recover(worker, to=other)
        assert {each.payload for each in recovered} == set(jobs)
        assert adapter.beat(other, lease=30.0, claims=recovered).lost == ()

    def test_recovery_charges_nobody(self, adapter: Adapter, worker: str, other: str) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        (recovered,) = adapter.recover(worker, to=other)
        adapter.settle([Release(recovered)])
        again = claim_one(adapter, other)
        assert (again.deliveries, again.payload.deliveries) == (0, 0)

    def test_the_receipts_are_new(self, adapter: Adapter, worker: str, other: str) -> None:
        for _ in range(3):
            enqueue(adapter)
        old = {each.receipt for each in claim(adapter, worker)}
        new = {each.receipt for each in adapter.recover(worker, to=other)}
        assert len(new) == 3
        assert not new & old

    def test_the_heir_can_settle_what_it_got(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        for _ in range(3):
            enqueue(adapter)
        claim(adapter, worker)
        done, again, back = adapter.recover(worker, to=other)
        charged = again.payload.replace(deliveries=1, queue="again")
        requeue = Requeue(again, charged, State.ENQUEUED, head=True)
        assert adapter.settle([Ack(done), requeue, Release(back)]) == []
        assert peek(adapter) == [back.payload.id]
        assert claim_one(adapter, other, "again").payload == charged

    def test_what_was_recovered_is_not_claimable_until_it_is_settled(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        adapter.recover(worker, to=other)
        assert peek(adapter) == []

    def test_the_dead_worker_is_out(self, adapter: Adapter, worker: str, other: str) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        waiting = enqueue(adapter)
        adapter.recover(worker, to=other)
        with pytest.raises(LeaseLost):
            claim(adapter, worker)
        assert adapter.settle([Ack(held)]) == [held]
        assert not adapter.beat(worker, lease=30.0, claims=[held]).registered
        assert not adapter.beat(worker, lease=30.0, claims=None).registered
        assert adapter.retire(worker) == 0
        assert pulse(adapter, worker) is None
        assert peek(adapter) == [waiting.id]

    def test_with_the_right_counter_it_happens(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        job = enqueue(adapter)
        claim_one(adapter, worker)
        recovered = adapter.recover(worker, to=other, beat=beats(adapter, worker))
        assert ids(recovered) == [job.id]

    def test_a_counter_that_moved_saves_the_worker(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        seen = beats(adapter, worker)
        adapter.beat(worker, lease=30.0, claims=[held])
        assert adapter.recover(worker, to=other, beat=seen) == []
        assert pulse(adapter, worker) is not None
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()
        assert adapter.settle([Ack(held)]) == []

    def test_a_worker_is_recovered_once(self, adapter: Adapter, worker: str, other: str) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        seen = beats(adapter, worker)
        assert len(adapter.recover(worker, to=other, beat=seen)) == 1
        assert adapter.recover(worker, to=other, beat=seen) == []
        assert adapter.recover(worker, to=other) == []

    def test_an_unknown_worker_has_nothing_to_recover(self, adapter: Adapter, other: str) -> None:
        assert adapter.recover("nobody", to=other) == []

    def test_a_worker_that_held_nothing_is_removed_all_the_same(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        assert adapter.recover(worker, to=other) == []
        assert pulse(adapter, worker) is None

    def test_an_unregistered_heir_is_refused_and_nothing_changes(
        self, adapter: Adapter, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        with pytest.raises(LeaseLost):
            adapter.recover(worker, to="nobody")
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()
        assert adapter.settle([Ack(held)]) == []

    def test_what_was_settled_before_is_not_recovered(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        for _ in range(3):
            enqueue(adapter)
        done, released, held = claim(adapter, worker)
        adapter.settle([Ack(done), Release(released)])
        assert ids(adapter.recover(worker, to=other)) == [held.payload.id]

    def test_the_others_keep_what_they_hold(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, other)
        assert adapter.recover(worker, to=register(adapter, "heir")) == []
        assert adapter.beat(other, lease=30.0, claims=[held]).lost == ()

    def test_an_heir_that_dies_has_heirs(self, adapter: Adapter, worker: str, other: str) -> None:
        job = enqueue(adapter)
        claim_one(adapter, worker)
        (first,) = adapter.recover(worker, to=other)
        (second,) = adapter.recover(other, to=register(adapter, "third"))
        assert second.payload == job
        assert adapter.settle([Ack(first)]) == [first]
        assert adapter.settle([Ack(second)]) == []
