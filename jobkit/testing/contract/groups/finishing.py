"""Finishing: what follows from the ends of members, each callback once."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Release, Requeue, State, Tally
from jobkit.batching import NewBatch, SupportsBatches
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.batched import (
    came,
    counts,
    finish,
    opened,
    standing,
)
from jobkit.testing.contract.competitors import at_once, drain_elsewhere, separately
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    flat,
    payload,
    peek,
    register,
    unstamped,
)

__all__ = ["Finishing"]


class Finishing:
    """`SupportsBatches`: what follows from the ends of members."""

    def test_success_and_finish_come_with_the_last_member(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str, clock: ManualClock
    ) -> None:
        batch = opened(batcher, 2)
        first, second = claim(adapter, worker)
        adapter.settle([Ack(first)])
        assert came(adapter) == []
        clock.advance(5)
        adapter.settle([Ack(second)])
        assert came(adapter) == ["success", "finish"]
        assert counts(batcher, batch) == (2, 0, 2, 0)
        finished_at = standing(batcher, batch).finished_at
        assert finished_at is not None
        assert finished_at.timestamp() == pytest.approx(clock.time())

    def test_a_callback_is_the_job_that_was_given_stamped_when_it_is_enqueued(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str, clock: ManualClock
    ) -> None:
        batch = opened(batcher)
        clock.advance(5)
        finish(adapter, worker)
        for event, given in batch.callbacks.items():
            if event != "failure":
                stored = claim_one(adapter, worker, event).payload
                assert unstamped(stored) == given.text
                assert stored.enqueued_at == pytest.approx(clock.time())

    @pytest.mark.parametrize("priority", [None, -1, 1])
    def test_a_callback_has_its_priority(
        self, adapter: Adapter, batcher: SupportsBatches, priority: int | None
    ) -> None:
        usual = enqueue(adapter, queue="finish")
        job = payload(queue="finish", priority=priority)
        batch = NewBatch("of-one", callbacks={"finish": job})  # type: ignore[dict-item]
        batcher.enqueue_batch(batch.id, [], opens=batch, closes=True)
        order = [job.id, usual.id] if priority == -1 else [usual.id, job.id]
        assert peek(adapter, "finish") == order

    def test_an_empty_batch_has_succeeded(self, adapter: Adapter, batcher: SupportsBatches) -> None:
        batch = opened(batcher, 0)
        assert came(adapter) == ["success", "finish"]
        assert standing(batcher, batch).finished_at is not None

    def test_nothing_comes_before_the_block_is_left(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher, 2, closes=False)
        finish(adapter, worker)
        assert came(adapter) == []
        batcher.enqueue_batch(batch.id, [], closes=True)
        assert came(adapter) == ["success", "finish"]

    def test_failure_comes_with_the_first_that_is_buried_and_no_success(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher, 3)
        first, second, third = claim(adapter, worker)
        adapter.settle([Bury(first, first.payload)])
        assert came(adapter) == ["failure"]
        adapter.settle([Bury(second, second.payload), Ack(third)])
        assert came(adapter) == ["failure", "finish"]
        assert counts(batcher, batch) == (3, 0, 1, 2)

    def test_a_failure_that_is_not_kept_is_one(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher)
        adapter.settle([Ack(claim_one(adapter, worker), Tally.FAILED)])
        assert came(adapter) == ["failure", "finish"]
        assert counts(batcher, batch) == (1, 0, 0, 1)

    def test_what_goes_on_has_not_ended(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str, clock: ManualClock
    ) -> None:
        batch = opened(batcher, 4)
        one, two, three, four = claim(adapter, worker)
        failed = one.payload.replace(retry_count=0, scheduled_at=clock.time() + 5)
        adapter.settle(
            [
                Requeue(one, failed, State.RETRY, tally=Tally.FAILED),
                Requeue(two, two.payload, State.ENQUEUED),
                Release(three),
                Checkpoint(four, four.payload.replace(steps=["half"])),
            ]
        )
        assert counts(batcher, batch) == (4, 4, 0, 0)
        clock.advance(6)
        adapter.maintain(limit=10)
        adapter.settle([Ack(each) for each in [*claim(adapter, worker), four]])
        assert came(adapter) == ["success", "finish"]

    def test_a_stale_claim_ends_no_member(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str, other: str
    ) -> None:
        batch = opened(batcher)
        stale = claim_one(adapter, worker)
        (held,) = adapter.recover(worker, to=other)
        for settlement in (Ack(stale), Bury(stale, stale.payload)):
            assert adapter.settle([settlement]) == [stale]
        assert counts(batcher, batch) == (1, 1, 0, 0)
        adapter.settle([Ack(held), Ack(held), Ack(stale)])
        adapter.settle([Ack(held)])
        assert came(adapter) == ["success", "finish"]

    def test_one_settlement_may_end_members_of_many_batches(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        made = [opened(batcher, 2) for _ in range(3)]
        enqueue(adapter)
        finish(adapter, worker)
        assert [counts(batcher, each) for each in made] == [(2, 0, 2, 0)] * 3
        assert came(adapter) == ["success"] * 3 + ["finish"] * 3

    def test_a_job_of_a_batch_that_is_not_known_ends_like_any_other(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        del batcher
        enqueue(adapter, bid="BQ3oLNqbUVEiVQ")  # Sidekiq Pro's
        enqueue(adapter, bid=17)
        dying, other = claim(adapter, worker)
        assert adapter.settle([Bury(dying, dying.payload), Ack(other)]) == []

    # Many at once

    def test_of_many_that_finish_at_once_one_has_the_callbacks_come(
        self, adapter: Adapter, batcher: SupportsBatches, connect: Callable[[], Adapter]
    ) -> None:
        batch = opened(batcher, 120)
        clients = [connect() for _ in range(4)]
        shuffle = random.Random(4)

        def work(number: int) -> int:
            client, name = clients[number], f"w{number}"
            register(client, name)
            done = 0
            while claims := client.claim(["default"], limit=shuffle.randint(1, 5), worker=name):
                done += len(claims) - len(client.settle([Ack(each) for each in claims]))
            return done

        done = at_once([partial(work, number) for number in range(4)])
        assert sum(done) == 120
        assert came(adapter) == ["success", "finish"]
        assert counts(batcher, batch) == (120, 0, 120, 0)

    def test_of_many_processes_one_has_the_callbacks_come(
        self, adapter: Adapter, batcher: SupportsBatches, opener: Callable[[], Adapter]
    ) -> None:
        batch = opened(batcher, 200)
        with ProcessPoolExecutor(4, mp_context=separately(opener)) as pool:
            calls = [pool.submit(drain_elsewhere, opener, f"w{nth}", 4) for nth in range(4)]
            done = flat(call.result() for call in calls)
        assert len(done) == 200
        assert came(adapter) == ["success", "finish"]
        assert counts(batcher, batch) == (200, 0, 200, 0)
