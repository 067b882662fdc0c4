"""Settling: what each settlement does to a job that is held."""

from __future__ import annotations

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Release, Requeue, State
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    ids,
    payload,
    peek,
    promote,
    unstamped,
)

__all__ = ["Requeueing", "Settling"]

WAITING = (State.SCHEDULED, State.RETRY)


class Settling:
    """`settle` with Ack, Bury, Checkpoint and Release."""

    def test_settling_nothing_is_no_error(self, adapter: Adapter) -> None:
        assert adapter.settle([]) == []

    def test_an_acked_job_is_gone(self, adapter: Adapter, clock: ManualClock, worker: str) -> None:
        enqueue(adapter)
        assert adapter.settle([Ack(claim_one(adapter, worker))]) == []
        clock.advance(86_400)
        promote(adapter)
        adapter.retire(worker)
        assert peek(adapter) == []

    def test_a_buried_job_does_not_run_again(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        assert adapter.settle([Bury(held, held.payload.replace(error_class="E"))]) == []
        clock.advance(86_400)
        promote(adapter)
        adapter.retire(worker)
        assert peek(adapter) == []

    def test_text_that_is_no_job_is_buried_as_it_is_and_stops_nobody(
        self, adapter: Adapter, worker: str
    ) -> None:
        adapter.enqueue([payload(), payload()])
        bad, good = claim(adapter, worker)
        assert adapter.settle([Bury(bad, Payload("no json")), Ack(good)]) == []
        adapter.retire(worker)
        assert peek(adapter) == []

    def test_a_released_job_is_enqueued_unchanged(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        job = enqueue(adapter)
        assert adapter.settle([Release(claim_one(adapter, worker))]) == []
        assert claim_one(adapter, other).payload == job

    def test_a_released_job_goes_back_to_the_head(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        first = enqueue(adapter)
        clock.advance(1)
        second = enqueue(adapter)
        held = claim_one(adapter, worker)
        clock.advance(1)
        third = enqueue(adapter)
        adapter.settle([Release(held)])
        assert peek(adapter) == [first.id, second.id, third.id]

    def test_jobs_released_together_keep_their_order(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs: list[str] = []
        for _ in range(5):
            jobs.append(enqueue(adapter).id)
            clock.advance(1)
        adapter.settle([Release(each) for each in claim(adapter, worker, limit=3)])
        assert peek(adapter) == jobs

    def test_a_checkpoint_keeps_the_claim(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        assert adapter.settle([Checkpoint(held, held.payload.replace(cursor=1))]) == []
        assert peek(adapter) == []
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()
        assert adapter.settle([Ack(held)]) == []
        assert peek(adapter) == []

    def test_the_last_checkpoint_is_what_recovery_hands_on(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        for cursor in (1, 2):
            adapter.settle([Checkpoint(held, held.payload.replace(cursor=cursor))])
        (recovered,) = adapter.recover(worker, to=other)
        assert recovered.payload == held.payload.replace(cursor=2)

    def test_the_checkpoint_is_what_a_release_gives_back(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        progress = held.payload.replace(cursor=[1, "two"])
        adapter.settle([Checkpoint(held, progress)])
        adapter.settle([Release(held)])
        assert claim_one(adapter, other).payload == progress

    def test_one_batch_may_hold_every_kind(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs = [enqueue(adapter) for _ in range(6)]
        acked, buried, released, kept, again, later = claim(adapter, worker)
        stale = adapter.settle(
            [
                Ack(acked),
                Bury(buried, buried.payload),
                Release(released),
                Checkpoint(kept, kept.payload),
                Requeue(again, again.payload.replace(queue="elsewhere"), State.ENQUEUED),
                Requeue(later, later.payload.replace(scheduled_at=clock.time() + 5), State.RETRY),
            ]
        )
        assert stale == []
        assert peek(adapter, "default", "elsewhere") == [jobs[2].id, jobs[4].id]
        assert adapter.settle([Ack(kept)]) == []
        clock.advance(5)
        promote(adapter)
        assert peek(adapter) == [jobs[2].id, jobs[5].id]

    def test_a_large_batch_is_settled_job_by_job(self, adapter: Adapter, worker: str) -> None:
        adapter.enqueue([payload(args=[number]) for number in range(300)])
        claims = claim(adapter, worker)
        adapter.settle([Ack(each) if nth % 3 else Release(each) for nth, each in enumerate(claims)])
        assert peek(adapter) == ids(claims[::3])

    def test_an_ack_touches_no_other_job(self, adapter: Adapter, worker: str) -> None:
        adapter.enqueue([payload() for _ in range(3)])
        acked, kept, *_ = claim(adapter, worker, limit=2)
        adapter.settle([Ack(acked)])
        assert adapter.beat(worker, lease=30.0, claims=[kept]).lost == ()
        assert len(peek(adapter)) == 1


class Requeueing:
    """`settle` with Requeue: now or later, here or elsewhere, in front or behind."""

    def test_a_requeued_job_comes_back_with_its_new_text(
        self, adapter: Adapter, worker: str
    ) -> None:
        enqueue(adapter, unknown=[1])
        held = claim_one(adapter, worker)
        changed = held.payload.replace(executions=1, note="ünknown")
        assert adapter.settle([Requeue(held, changed, State.ENQUEUED)]) == []
        assert claim_one(adapter, worker).payload == changed

    def test_a_job_can_go_to_another_queue(self, adapter: Adapter, worker: str) -> None:
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        adapter.settle([Requeue(held, held.payload.replace(queue="elsewhere"), State.ENQUEUED)])
        assert peek(adapter, "default") == []
        assert peek(adapter, "elsewhere") == [job.id]

    def test_a_requeued_job_goes_behind_what_waits(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs = [enqueue(adapter) for _ in range(3)]
        held = claim_one(adapter, worker)
        clock.advance(1)
        adapter.settle([Requeue(held, held.payload, State.ENQUEUED)])
        assert peek(adapter) == [jobs[1].id, jobs[2].id, jobs[0].id]

    def test_with_head_it_keeps_its_place(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        jobs = [enqueue(adapter) for _ in range(3)]
        held = claim_one(adapter, worker)
        clock.advance(1)
        changed = held.payload.replace(deliveries=1)
        adapter.settle([Requeue(held, changed, State.ENQUEUED, head=True)])
        assert peek(adapter) == [job.id for job in jobs]
        assert claim_one(adapter, worker).payload == changed

    def test_a_job_waits_for_its_time(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        adapter.enqueue([payload(), payload()])
        for held, state in zip(claim(adapter, worker), WAITING, strict=True):
            later = held.payload.replace(scheduled_at=clock.time() + 15)
            assert adapter.settle([Requeue(held, later, state)]) == []
        clock.advance(14)
        assert (promote(adapter), peek(adapter)) == (0, [])
        clock.advance(1)
        assert promote(adapter) == 2
        assert len(peek(adapter)) == 2

    def test_a_job_can_wait_for_another_queue(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        later = held.payload.replace(queue="elsewhere", scheduled_at=clock.time() + 15)
        adapter.settle([Requeue(held, later, State.RETRY)])
        clock.advance(15)
        promote(adapter)
        assert peek(adapter, "default") == []
        assert unstamped(claim_one(adapter, worker, "elsewhere").payload) == unstamped(later)

    def test_a_wait_that_is_over_already_ends_with_the_next_upkeep(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        past = held.payload.replace(scheduled_at=clock.time() - 1)
        adapter.settle([Requeue(held, past, State.RETRY)])
        promote(adapter)
        assert peek(adapter) == [job.id]

    def test_a_job_can_be_requeued_time_and_again(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        enqueue(adapter)
        for executions in range(1, 6):
            held = claim_one(adapter, worker)
            clock.advance(1)
            changed = held.payload.replace(executions=executions)
            adapter.settle([Requeue(held, changed, State.ENQUEUED)])
        assert [each.payload.executions for each in claim(adapter, worker)] == [5]
