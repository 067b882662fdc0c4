"""Batching: who is a member of a batch, and until when."""

from __future__ import annotations

import pytest

from jobkit.adapter import Ack, Adapter, Bury
from jobkit.batching import SupportsBatches
from jobkit.capabilities import SupportsUnique
from jobkit.errors import BatchFinished, DuplicateJob, PayloadError
from jobkit.payload import Payload
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
    claim,
    claim_one,
    payload,
    peek,
    unstamped,
)

__all__ = ["Batching"]


class Batching:
    """`SupportsBatches`: who is a member, and until when."""

    def test_jobs_become_members_and_are_stored(
        self, adapter: Adapter, batcher: SupportsBatches
    ) -> None:
        batch = opened(batcher, 3)
        assert counts(batcher, batch) == (3, 3, 0, 0)
        assert len(peek(adapter)) == 3

    def test_a_batch_tells_of_itself(self, batcher: SupportsBatches, clock: ManualClock) -> None:
        batch = opened(batcher)
        found = standing(batcher, batch)
        assert (found.id, found.description, found.parent) == (batch.id, "a batch", None)
        assert found.created_at.timestamp() == pytest.approx(clock.time())
        assert (found.finished_at, found.cancelled) == (None, False)

    def test_an_unknown_batch_is_none(self, batcher: SupportsBatches) -> None:
        assert batcher.batch("unknown") is None
        assert batcher.members("unknown", failed=False).jobs == ()
        assert not batcher.cancel_batch("unknown")

    def test_batches_are_listed_page_by_page_the_newest_first(
        self, batcher: SupportsBatches
    ) -> None:
        made = [opened(batcher, 0).id for _ in range(5)]
        first = batcher.batches(limit=2)
        rest = batcher.batches(limit=3, after=first.next)
        assert [each.id for each in [*first.items, *rest.items]] == made[::-1]
        assert rest.next is None

    def test_jobs_of_every_kind_may_be_members(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str, clock: ManualClock
    ) -> None:
        batch = new_batch(finish="finish")
        jobs = [
            member(batch, queue="other"),
            member(batch, priority=-1),
            member(batch, scheduled_at=clock.time() + 60),
            member(batch, unique={"key": "k", "until": "success"}),
        ]
        batcher.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
        clock.advance(61)
        adapter.maintain(limit=10)
        done = claim(adapter, worker, "other", "default")
        assert {each.payload.id for each in done} == {each.id for each in jobs}
        assert unstamped(done[0].payload) == jobs[0].text
        adapter.settle([Ack(each) for each in done])
        assert came(adapter) == ["finish"]

    def test_members_can_be_added_while_one_is_pending(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher)
        running = claim_one(adapter, worker)
        batcher.enqueue_batch(batch.id, [member(batch)])
        adapter.settle([Ack(running)])
        assert came(adapter) == []
        assert counts(batcher, batch) == (2, 1, 1, 0)
        finish(adapter, worker)
        assert came(adapter) == ["success", "finish"]

    def test_nothing_is_added_to_a_batch_that_is_over_or_unknown(
        self, adapter: Adapter, batcher: SupportsBatches
    ) -> None:
        finished, cancelled = opened(batcher, 0), opened(batcher)
        batcher.cancel_batch(cancelled.id)
        waiting = peek(adapter)
        for batch in (finished, cancelled, new_batch()):
            with pytest.raises(BatchFinished):
                batcher.enqueue_batch(batch.id, [member(batch)])
            with pytest.raises(BatchFinished):
                opened(batcher, parent=batch.id)
        assert peek(adapter) == waiting
        assert len(batcher.batches().items) == 2

    def test_text_that_is_no_job_stores_nothing(
        self, adapter: Adapter, batcher: SupportsBatches
    ) -> None:
        batch = new_batch()
        with pytest.raises(PayloadError):
            batcher.enqueue_batch(batch.id, [member(batch), Payload("[]")], opens=batch)
        assert peek(adapter) == []
        assert batcher.batch(batch.id) is None

    def test_a_batch_that_is_opened_again_stays_what_it_is(
        self, adapter: Adapter, batcher: SupportsBatches
    ) -> None:
        batch = new_batch(finish="finish")
        job = member(batch, jid="0193d1a2b3c4510e8f00112233445566")  # a repeatable id
        for _ in range(2):
            batcher.enqueue_batch(batch.id, [job], opens=batch, closes=True)
        assert counts(batcher, batch) == (1, 1, 0, 0)
        assert peek(adapter) == [job.id]

    def test_a_unique_job_that_loses_is_no_member(
        self, adapter: Adapter, batcher: SupportsBatches, uniquely: SupportsUnique
    ) -> None:
        lock = {"key": "k", "until": "success"}
        first = payload(unique=lock)
        uniquely.enqueue_unique([first])
        batch = new_batch()
        jobs = [member(batch, unique=lock), member(batch)]
        told = batcher.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
        assert told == [first.id, None]
        assert counts(batcher, batch) == (1, 1, 0, 0)
        assert peek(adapter) == [first.id, jobs[1].id]

    def test_a_unique_job_that_must_not_lose_stores_nothing_of_the_call(
        self, adapter: Adapter, batcher: SupportsBatches, uniquely: SupportsUnique
    ) -> None:
        lock = {"key": "k", "until": "success"}
        first = payload(unique=lock)
        uniquely.enqueue_unique([first])
        batch = new_batch()
        jobs = [member(batch), member(batch, unique={**lock, "on_conflict": "raise"})]
        with pytest.raises(DuplicateJob):
            batcher.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
        assert peek(adapter) == [first.id]
        assert batcher.batch(batch.id) is None

    def test_a_member_that_is_replaced_is_none_any_more(
        self, adapter: Adapter, batcher: SupportsBatches, uniquely: SupportsUnique
    ) -> None:
        lock = {"key": "k", "until": "success"}
        batch = new_batch(finish="finish")
        batcher.enqueue_batch(batch.id, [member(batch, unique=lock)], opens=batch, closes=True)
        uniquely.enqueue_unique([payload(unique={**lock, "on_conflict": "replace"})])
        assert counts(batcher, batch) == (0, 0, 0, 0)
        assert came(adapter) == ["finish"]

    def test_members_are_told_in_pages(
        self, adapter: Adapter, batcher: SupportsBatches, worker: str
    ) -> None:
        batch = opened(batcher, 7)
        nested = opened(batcher, 1, parent=batch.id)
        jobs = {*peek(adapter)}
        dying = claim_one(adapter, worker)
        adapter.settle([Bury(dying, dying.payload)])
        pending: list[str] = []
        within: list[str] = []
        after: str | None = None
        for _ in range(100):
            page = batcher.members(batch.id, failed=False, limit=2, after=after)
            pending += page.jobs
            within += page.batches
            after = page.next
            if after is None:
                break
        of_nested = batcher.members(nested.id, failed=False).jobs
        assert {*pending, *of_nested, dying.payload.id} == jobs
        assert {*within} == {nested.id}
        assert batcher.members(batch.id, failed=True).jobs == (dying.payload.id,)
