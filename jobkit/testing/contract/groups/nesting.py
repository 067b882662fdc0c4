"""Nesting: batches that are members of batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jobkit.adapter import Ack, Adapter, Bury, State
from jobkit.batching import NewBatch, SupportsBatches
from jobkit.capabilities import Move, SupportsInspect, SupportsManage
from jobkit.testing.contract.batched import (
    came,
    counts,
    finish,
    member,
    new_batch,
    opened,
    standing,
)
from jobkit.testing.contract.competitors import at_once
from jobkit.testing.contract.support import (
    all_jobs,
    claim,
    claim_one,
    register,
)

__all__ = ["Nesting"]


class Nesting:
    """`SupportsBatches`: batches that are members of batches."""

    def test_a_parent_waits_for_a_nested_batch(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        outer = opened(batcher)
        running = claim_one(adapter, worker)
        inner = _nested(batcher, outer)
        adapter.settle([Ack(running)])
        assert counts(batcher, outer) == (2, 1, 1, 0)
        assert came(adapter) == []
        finish(adapter, worker)
        assert counts(batcher, inner) == (1, 0, 1, 0)
        assert counts(batcher, outer) == (2, 0, 2, 0)
        assert came(adapter) == ["success", "finish"]

    def test_a_parent_waits_for_the_callbacks_of_a_nested_batch(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        outer = opened(batcher, 0, closes=False)
        inner = new_batch(parent=outer.id, success="inner", finish="inner")
        batcher.enqueue_batch(inner.id, [member(inner)], opens=inner, closes=True)
        batcher.enqueue_batch(outer.id, [], closes=True)
        finish(adapter, worker)
        assert counts(batcher, outer) == (3, 2, 1, 0)
        assert came(adapter) == []
        adapter.settle([Ack(each) for each in claim(adapter, worker, "inner")])
        assert came(adapter) == ["success", "finish"]

    def test_a_nested_batch_that_failed_is_a_member_that_did(
        self,
        adapter: Adapter,
        batcher: SupportsBatches,
        inspector: SupportsInspect,
        manager: SupportsManage,
        worker: str,
    ) -> None:
        outer = opened(batcher, 0, closes=False)
        _nested(batcher, outer)
        batcher.enqueue_batch(outer.id, [], closes=True)
        dying = claim_one(adapter, worker)
        adapter.settle([Bury(dying, dying.payload)])
        assert came(adapter) == ["failure", "finish"]
        assert counts(batcher, outer) == (1, 0, 0, 1)
        (dead,) = all_jobs(inspector, State.DEAD)
        manager.move([Move(dead, dead.payload, State.ENQUEUED)])
        assert counts(batcher, outer) == (1, 1, 0, 0)
        assert standing(batcher, outer).finished_at is None
        finish(adapter, worker)
        assert came(adapter) == ["failure", "success", "finish"]

    def test_an_empty_nested_batch_ends_at_once(
        self, adapter: Adapter, batcher: SupportsBatches
    ) -> None:
        outer = opened(batcher, 0, closes=False)
        inner = new_batch(parent=outer.id)
        batcher.enqueue_batch(inner.id, [], opens=inner, closes=True)
        assert counts(batcher, outer) == (1, 0, 1, 0)
        batcher.enqueue_batch(outer.id, [], closes=True)
        assert came(adapter) == ["success", "finish"]

    def test_members_of_parent_and_nested_batches_end_at_once_from_many_sides(
        self, adapter: Adapter, batcher: SupportsBatches, connect: Callable[[], Adapter]
    ) -> None:
        outer = opened(batcher, 30, closes=False)
        for _ in range(6):
            batch = new_batch(parent=outer.id, success="default")
            jobs = [member(batch) for _ in range(10)]
            batcher.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
        batcher.enqueue_batch(outer.id, [], closes=True)
        clients = [connect() for _ in range(3)]

        def work(number: int) -> None:
            client, name = clients[number], f"w{number}"
            register(client, name)
            while claims := client.claim(["default"], limit=4, worker=name):
                client.settle([Ack(each) for each in claims])

        at_once([partial(work, number) for number in range(3)])
        finish(adapter, register(adapter, "last"))
        assert counts(batcher, outer) == (42, 0, 42, 0)
        assert came(adapter) == ["success", "finish"]


def _nested(batcher: SupportsBatches, outer: NewBatch) -> NewBatch:
    """A batch of one job in the other one, without callbacks."""
    inner = new_batch(parent=outer.id)
    batcher.enqueue_batch(inner.id, [member(inner)], opens=inner, closes=True)
    return inner
