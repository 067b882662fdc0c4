"""Amending: members that are moved and removed, batches that are cancelled and forgotten."""

from __future__ import annotations

from collections.abc import Callable

from jobkit.adapter import Ack, Adapter, Bury, Requeue, State
from jobkit.batching import ABANDONED, KEPT, KEPT_FAILED, SupportsBatches
from jobkit.cancelling import SupportsCancel, is_marked
from jobkit.capabilities import Move, SupportsInspect, SupportsManage
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.batched import (
    came,
    counts,
    finish,
    member,
    new_batch,
    opened,
    standing,
)
from jobkit.testing.contract.support import (
    all_jobs,
    claim,
    claim_one,
)

__all__ = ["Amending"]


class Amending:
    """`SupportsBatches`: batches whose members are changed by hand, and what time does."""

    def test_a_waiting_member_that_is_removed_is_none_any_more(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        manager: SupportsManage,
        worker: str,
    ) -> None:
        batch = opened(batcher, 2)
        first, second = all_jobs(inspector, State.ENQUEUED)
        assert manager.delete([first]) == 1
        assert manager.delete([first]) == 0
        assert counts(batcher, batch) == (1, 1, 0, 0)
        finish(adapter, worker)
        assert came(adapter) == ["success", "finish"]
        assert second.payload.id

    def test_clearing_a_queue_removes_its_members(
        self, adapter: Adapter, batcher: SupportsBatches, manager: SupportsManage
    ) -> None:
        batch = new_batch(finish="finish")
        jobs = [member(batch), member(batch, priority=1), member(batch, queue="other")]
        batcher.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
        assert manager.clear("default") == 2
        assert counts(batcher, batch) == (1, 1, 0, 0)
        assert manager.clear("other") == 1
        assert came(adapter) == ["finish"]

    def test_a_waiting_member_that_is_buried_has_failed(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        manager: SupportsManage,
    ) -> None:
        batch = opened(batcher)
        (job,) = all_jobs(inspector, State.ENQUEUED)
        assert manager.move([Move(job, job.payload, State.DEAD)]) == 1
        assert counts(batcher, batch) == (1, 0, 0, 1)
        assert came(adapter) == ["failure", "finish"]

    def test_a_dead_member_that_is_run_again_makes_up_for_its_failure(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        manager: SupportsManage,
        worker: str,
    ) -> None:
        batch = opened(batcher, 2)
        dying, fine = claim(adapter, worker)
        adapter.settle([Bury(dying, dying.payload), Ack(fine)])
        assert came(adapter) == ["failure", "finish"]
        (dead,) = all_jobs(inspector, State.DEAD)
        again = dead.payload.replace(enqueued_at=1.0)
        assert manager.move([Move(dead, again, State.ENQUEUED)]) == 1
        assert counts(batcher, batch) == (2, 1, 1, 0)
        assert standing(batcher, batch).finished_at is None
        running = claim_one(adapter, worker)
        batcher.enqueue_batch(batch.id, [member(batch)])
        adapter.settle([Ack(running)])
        finish(adapter, worker)
        assert came(adapter) == ["failure", "success", "finish"]
        assert counts(batcher, batch) == (3, 0, 3, 0)

    def test_a_dead_member_that_fails_again_has_nothing_come_twice(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        manager: SupportsManage,
        worker: str,
    ) -> None:
        batch = opened(batcher)
        for _ in range(2):
            dying = claim_one(adapter, worker)
            adapter.settle([Bury(dying, dying.payload)])
            (dead,) = all_jobs(inspector, State.DEAD)
            manager.move([Move(dead, dead.payload, State.ENQUEUED)])
        (waiting,) = claim(adapter, worker)
        adapter.settle([Bury(waiting, waiting.payload)])
        assert came(adapter) == ["failure", "finish"]
        assert counts(batcher, batch) == (1, 0, 0, 1)

    def test_a_dead_member_that_is_removed_has_failed_all_the_same(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        manager: SupportsManage,
        worker: str,
    ) -> None:
        batch = opened(batcher)
        dying = claim_one(adapter, worker)
        adapter.settle([Bury(dying, dying.payload)])
        manager.delete(all_jobs(inspector, State.DEAD))
        assert counts(batcher, batch) == (1, 0, 0, 1)
        assert came(adapter) == ["failure", "finish"]

    def test_a_cancelled_batch_has_only_its_finish(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher, 2)
        first, second = claim(adapter, worker)
        assert batcher.cancel_batch(batch.id)
        assert standing(batcher, batch).cancelled
        adapter.settle([Bury(first, first.payload), Ack(second)])
        assert came(adapter) == ["finish"]
        assert not batcher.cancel_batch(batch.id)

    def test_a_member_that_is_cancelled_while_it_runs_ends_its_batch_like_any_other(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        canceller: SupportsCancel,
        worker: str,
    ) -> None:
        batch = opened(batcher, 3)
        held = claim_one(adapter, worker)
        batcher.cancel_batch(batch.id)
        members = inspector.find(batcher.members(batch.id, failed=False).jobs)
        assert canceller.cancel(members) == 3
        assert counts(batcher, batch) == (1, 1, 0, 0)
        adapter.settle([Requeue(held, held.payload, State.ENQUEUED)])
        again = claim_one(adapter, worker)
        assert is_marked(again.payload.text)
        assert came(adapter) == []
        adapter.settle([Ack(again)])
        assert counts(batcher, batch) == (1, 0, 1, 0)
        assert came(adapter) == ["finish"]

    def test_a_forgotten_one_has_nothing(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher, 2, closes=False)
        batcher.cancel_batch(batch.id, forget=True)
        finish(adapter, worker)
        assert came(adapter) == []
        assert standing(batcher, batch).finished_at is not None

    # Over time. Upkeep looks at batches once in a while: another client looks at once.

    def test_a_batch_is_kept_for_a_while_and_longer_if_it_failed(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        connect: Callable[[], Adapter],
        worker: str,
        clock: ManualClock,
    ) -> None:
        pending, bad = opened(batcher), opened(batcher)
        _, dying = claim(adapter, worker)
        adapter.settle([Bury(dying, dying.payload)])
        good = opened(batcher, 0)
        for seconds, left in (
            (KEPT - 10, {pending.id, bad.id, good.id}),
            (20, {pending.id, bad.id}),
            (KEPT_FAILED, {pending.id}),
        ):
            clock.advance(seconds)
            _keep_up(adapter, connect)
            assert {each.id for each in batcher.batches().items} == left

    def test_a_block_that_is_never_left_is_given_up(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        connect: Callable[[], Adapter],
        worker: str,
        clock: ManualClock,
    ) -> None:
        batch = opened(batcher, 1, closes=False)
        clock.advance(ABANDONED + 10)
        _keep_up(adapter, connect)
        assert standing(batcher, batch).cancelled
        finish(adapter, worker)
        assert standing(batcher, batch).finished_at is not None
        assert came(adapter) == []


def _keep_up(adapter: Adapter, connect: Callable[[], Adapter]) -> None:
    """Upkeep by a client that has not looked at batches yet, if there can be another."""
    for client in (adapter, connect()):
        client.maintain(limit=100)
