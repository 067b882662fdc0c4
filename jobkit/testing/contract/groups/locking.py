"""Locking: a lock lasts as long as the job that holds it, whatever ends that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Release, Requeue, Retention, State
from jobkit.capabilities import (
    Move,
    SupportsInspect,
    SupportsManage,
    SupportsTicks,
    SupportsUnique,
)
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.locked import dead, lost, stored, unique
from jobkit.testing.contract.support import claim_one, payload, peek, promote, register

__all__ = ["Locking"]


class Locking:
    """`SupportsUnique`: how long, and what else obeys."""

    def test_until_success_it_is_held_through_runs_and_retries(
        self, adapter: Adapter, uniquely: SupportsUnique, clock: ManualClock
    ) -> None:
        first = stored(uniquely, scheduled_at=clock.time() + 60)
        worker = register(adapter, "w")
        assert lost(uniquely) == first.id
        clock.advance(61)
        promote(adapter)
        assert lost(uniquely) == first.id
        adapter.settle([Release(claim_one(adapter, worker))])
        assert lost(uniquely) == first.id
        claim = claim_one(adapter, worker)
        assert lost(uniquely) == first.id
        adapter.settle([Checkpoint(claim, claim.payload.replace(steps=["one"]))])
        retry = claim.payload.replace(scheduled_at=clock.time() + 60)
        adapter.settle([Requeue(claim, retry, State.RETRY)])
        assert lost(uniquely) == first.id
        clock.advance(61)
        promote(adapter)
        adapter.settle([Ack(claim_one(adapter, worker))])
        stored(uniquely)

    def test_burying_the_job_frees_it(self, adapter: Adapter, uniquely: SupportsUnique) -> None:
        stored(uniquely)
        claim = claim_one(adapter, register(adapter, "w"))
        adapter.settle([Bury(claim, claim.payload)])
        stored(uniquely)

    def test_a_lost_worker_keeps_it_and_who_recovers_the_job_frees_it(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        first = stored(uniquely)
        zombie = claim_one(adapter, register(adapter, "lost"))
        (claim,) = adapter.recover("lost", to=register(adapter, "heir"))
        assert lost(uniquely) == first.id
        assert adapter.settle([Ack(zombie)]) == [zombie]
        assert lost(uniquely) == first.id
        adapter.settle([Ack(claim)])
        stored(uniquely)

    def test_a_worker_that_leaves_keeps_it(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        first = stored(uniquely)
        claim_one(adapter, register(adapter, "w"))
        adapter.retire("w")
        assert lost(uniquely) == first.id

    def test_a_finished_job_that_is_kept_does_not_hold_it(
        self, keeping: Callable[[Retention], Adapter], uniquely: SupportsUnique
    ) -> None:
        adapter = keeping(Retention(keep_finished=60))
        assert isinstance(adapter, SupportsUnique)
        stored(adapter)
        adapter.settle([Ack(claim_one(adapter, register(adapter, "w")))])
        stored(adapter)

    def test_until_start_the_claim_frees_it(
        self, adapter: Adapter, uniquely: SupportsUnique, clock: ManualClock
    ) -> None:
        worker = register(adapter, "w")
        stored(uniquely, "k", "start")
        first = claim_one(adapter, worker)
        second = stored(uniquely, "k", "start")
        assert lost(uniquely, "k", "start") == second.id
        due = clock.time() + 60
        retry = first.payload.replace(scheduled_at=due, executions=1)
        adapter.settle([Requeue(first, retry, State.RETRY)])
        assert lost(uniquely, "k", "start") == second.id
        other = claim_one(adapter, worker)
        third = stored(uniquely, "k", "start")
        adapter.settle([Bury(other, other.payload)])
        assert lost(uniquely, "k", "start") == third.id

    def test_until_start_a_retry_keeps_nobody_out(
        self, adapter: Adapter, uniquely: SupportsUnique, clock: ManualClock
    ) -> None:
        stored(uniquely, "k", "start")
        claim = claim_one(adapter, register(adapter, "w"))
        retry = claim.payload.replace(scheduled_at=clock.time() + 60, executions=1)
        adapter.settle([Requeue(claim, retry, State.RETRY)])
        stored(uniquely, "k", "start")

    def test_by_time_it_is_held_whatever_becomes_of_the_job(
        self, adapter: Adapter, uniquely: SupportsUnique, clock: ManualClock
    ) -> None:
        first = stored(uniquely, "k", "time", scheduled_at=clock.time() + 100)
        clock.advance(101)
        promote(adapter)
        adapter.settle([Ack(claim_one(adapter, register(adapter, "w")))])
        assert lost(uniquely, "k", "time") == first.id
        assert lost(uniquely, "k", "time", on_conflict="replace") == first.id
        clock.advance(58)
        assert lost(uniquely, "k", "time") == first.id
        clock.advance(2)
        second = stored(uniquely, "k", "time")
        clock.advance(59)
        assert lost(uniquely, "k", "time") == second.id

    # By hand

    @pytest.mark.parametrize("until", ["success", "start"])
    def test_deleting_the_job_frees_it(
        self,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
        until: str,
    ) -> None:
        first = stored(uniquely, "k", until)
        assert manager.delete(inspector.find([first.id])) == 1
        stored(uniquely, "k", until)

    def test_a_deletion_that_came_too_late_frees_nothing(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
    ) -> None:
        first = stored(uniquely)
        seen = inspector.find([first.id])
        claim_one(adapter, register(adapter, "w"))
        assert manager.delete(seen) == 0
        assert lost(uniquely) == first.id

    def test_clearing_its_queue_frees_it(
        self, uniquely: SupportsUnique, manager: SupportsManage
    ) -> None:
        kept = stored(uniquely, "kept", queue="other")
        uniquely.enqueue_unique([unique("a"), payload(), unique("b", priority=3)])
        assert manager.clear("default") == 3
        stored(uniquely, "a")
        stored(uniquely, "b")
        assert lost(uniquely, "kept") == kept.id

    def test_burying_it_by_hand_frees_it(
        self, uniquely: SupportsUnique, manager: SupportsManage, inspector: SupportsInspect
    ) -> None:
        (waiting,) = inspector.find([stored(uniquely).id])
        manager.move([Move(waiting, waiting.payload, State.DEAD)])
        stored(uniquely)

    def test_moving_what_waits_keeps_it(
        self,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
        clock: ManualClock,
    ) -> None:
        first = stored(uniquely, scheduled_at=clock.time() + 60)
        (waiting,) = inspector.find([first.id])
        assert manager.move([Move(waiting, waiting.payload, State.ENQUEUED)]) == 1
        assert lost(uniquely) == first.id

    def test_out_of_the_dead_set_it_is_held_again(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
    ) -> None:
        first = dead(adapter, uniquely)
        (found,) = inspector.find([first.id])
        assert manager.move([Move(found, found.payload, State.ENQUEUED)]) == 1
        assert lost(uniquely) == first.id

    @pytest.mark.parametrize("state", [State.ENQUEUED, State.SCHEDULED])
    def test_a_dead_job_whose_place_is_taken_stays_where_it_is(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
        state: State,
    ) -> None:
        jobs = [dead(adapter, uniquely), dead(adapter, uniquely, "o")]
        winner = stored(uniquely)
        found = inspector.find([job.id for job in jobs])
        assert manager.move([Move(each, each.payload, state) for each in found]) == 1
        (still,) = inspector.find([jobs[0].id])
        assert still.state is State.DEAD
        assert lost(uniquely) == winner.id

    def test_deleting_a_dead_job_leaves_its_successor_the_lock(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
    ) -> None:
        first = dead(adapter, uniquely)
        successor = stored(uniquely)
        assert manager.delete(inspector.find([first.id])) == 1
        assert lost(uniquely) == successor.id

    def test_of_equal_dead_jobs_one_comes_back(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
    ) -> None:
        jobs = [dead(adapter, uniquely) for _ in range(3)]
        found = inspector.find([job.id for job in jobs])
        assert manager.move([Move(each, each.payload, State.ENQUEUED) for each in found]) == 1
        assert inspector.stats().dead == 2

    # By the clock

    def test_a_tick_is_recorded_and_enqueues_nothing_beside_an_equal_job(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        ticker: SupportsTicks,
        clock: ManualClock,
    ) -> None:
        ticker.put_entry("a", "text", "")
        at = clock.time() + 1
        first = unique()
        assert ticker.tick("a", at, first)
        assert lost(uniquely) == first.id
        assert ticker.tick("a", at + 1, unique())
        assert not ticker.tick("a", at + 1, unique())
        assert ticker.entries()[1][0].runs == ((at, first.id),)
        assert ticker.entries()[1][0].last == at + 1
        assert peek(adapter) == [first.id]
