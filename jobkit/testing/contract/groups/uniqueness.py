"""Uniqueness: of the jobs with one lock the store holds one, and no lock outlives its job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Release, Requeue, Retention, State
from jobkit.capabilities import (
    Move,
    SupportsInspect,
    SupportsManage,
    SupportsTicks,
    SupportsUnique,
)
from jobkit.errors import DuplicateJob, PayloadError
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.competitors import at_once, compete_elsewhere
from jobkit.testing.contract.support import claim_one, flat, payload, peek, promote, register

__all__ = ["Uniqueness"]

_WAYS: Final = ("success", "start", "time")


def unique(key: str = "k", until: str = "success", **fields: Any) -> Payload:
    """A job with a lock; one that ends by time does so after a minute."""
    lock = {"key": key, "until": until}
    if until == "time":
        lock |= {"for": 60.0}
    if (on_conflict := fields.pop("on_conflict", None)) is not None:
        lock |= {"on_conflict": on_conflict}
    return payload(unique=lock, **fields)


def stored(uniquely: SupportsUnique, *args: str, **fields: Any) -> Payload:
    """Store a unique job that must be stored."""
    job = unique(*args, **fields)
    assert uniquely.enqueue_unique([job]) == [None]
    return job


def lost(uniquely: SupportsUnique, *args: str, **fields: Any) -> str | None:
    """What another unique job loses to; None, and it is stored, if to none."""
    return uniquely.enqueue_unique([unique(*args, **fields)])[0]


class Uniqueness:
    """`SupportsUnique`."""

    # Who wins

    @pytest.mark.parametrize("until", _WAYS)
    def test_of_equal_jobs_the_first_is_stored_and_the_others_learn_which(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        first = stored(uniquely, "k", until)
        assert lost(uniquely, "k", until) == first.id
        assert peek(adapter) == [first.id]

    def test_jobs_with_other_locks_or_none_are_stored(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        jobs = [*(unique("k", until) for until in _WAYS), unique("other"), payload(), payload()]
        assert uniquely.enqueue_unique(jobs) == [None] * 6
        assert peek(adapter) == [job.id for job in jobs]

    @pytest.mark.parametrize("until", _WAYS)
    def test_of_equal_jobs_of_one_call_the_first_is_stored(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        jobs = [payload(), unique("k", until), unique("k", until), unique("o", until)]
        assert uniquely.enqueue_unique(jobs) == [None, None, jobs[1].id, None]
        assert peek(adapter) == [jobs[nth].id for nth in (0, 1, 3)]

    @pytest.mark.parametrize("until", _WAYS)
    def test_a_job_does_not_lose_to_itself(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        job = unique("k", until, jid="0193d1a2b3c4510e8f00112233445566")  # a repeatable id
        assert uniquely.enqueue_unique([job]) == [None]
        assert uniquely.enqueue_unique([job]) == [None]
        assert peek(adapter) == [job.id]

    def test_text_that_is_no_job_stores_nothing_and_takes_no_lock(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        with pytest.raises(PayloadError):
            uniquely.enqueue_unique([unique(), Payload("[]")])
        assert peek(adapter) == []
        stored(uniquely)

    # What becomes of the others

    @pytest.mark.parametrize("until", _WAYS)
    def test_where_a_conflict_raises_nothing_of_the_call_is_stored(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        first = stored(uniquely, "k", until)
        others = [payload(), unique("o", until), unique("k", until, on_conflict="raise"), payload()]
        with pytest.raises(DuplicateJob) as raised:
            uniquely.enqueue_unique(others)
        assert raised.value.winner == first.id
        assert peek(adapter) == [first.id]
        stored(uniquely, "o", until)

    def test_a_conflict_within_the_call_raises_too(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        with pytest.raises(DuplicateJob):
            uniquely.enqueue_unique([unique(), unique(on_conflict="raise")])
        assert peek(adapter) == []
        stored(uniquely, on_conflict="raise")

    @pytest.mark.parametrize("until", _WAYS)
    @pytest.mark.parametrize("wait", [0, 600])
    def test_a_job_that_waits_is_replaced(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        clock: ManualClock,
        until: str,
        wait: float,
    ) -> None:
        due = {"scheduled_at": clock.time() + wait} if wait else {}
        stored(uniquely, "k", until, **due, queue="slow")
        second = stored(uniquely, "k", until, on_conflict="replace")
        assert lost(uniquely, "k", until) == second.id
        clock.advance(900)
        promote(adapter)
        assert peek(adapter, "default", "slow") == [second.id]

    def test_a_job_with_a_priority_is_replaced(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        stored(uniquely, priority=5)
        second = stored(uniquely, on_conflict="replace", priority=7)
        assert peek(adapter) == [second.id]

    def test_a_job_that_waits_for_its_retry_is_replaced(
        self, adapter: Adapter, uniquely: SupportsUnique, clock: ManualClock
    ) -> None:
        stored(uniquely)
        claim = claim_one(adapter, register(adapter, "w"))
        retry = claim.payload.replace(scheduled_at=clock.time() + 60)
        adapter.settle([Requeue(claim, retry, State.RETRY)])
        second = stored(uniquely, on_conflict="replace")
        clock.advance(61)
        promote(adapter)
        assert peek(adapter) == [second.id]

    def test_of_one_call_the_last_replaces_those_before_it(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        jobs = [unique(on_conflict="replace"), payload(), unique(on_conflict="replace")]
        assert uniquely.enqueue_unique(jobs) == [None] * 3
        assert peek(adapter) == [job.id for job in jobs[1:]]

    @pytest.mark.parametrize("until", ["success", "time"])
    def test_a_job_that_runs_is_not_replaced(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        first = stored(uniquely, "k", until)
        claim = claim_one(adapter, register(adapter, "w"))
        assert lost(uniquely, "k", until, on_conflict="replace") == first.id
        assert adapter.settle([Ack(claim)]) == []

    # How long a lock is held

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

    def test_until_start_the_claim_frees_it_for_good(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        stored(uniquely, "k", "start")
        worker = register(adapter, "w")
        adapter.settle([Release(claim_one(adapter, worker))])
        second = stored(uniquely, "k", "start")
        assert lost(uniquely, "k", "start") == second.id
        first, other = claim_one(adapter, worker), claim_one(adapter, worker)
        third = stored(uniquely, "k", "start")
        adapter.settle([Ack(first), Bury(other, other.payload)])
        assert lost(uniquely, "k", "start") == third.id

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

    @pytest.mark.parametrize("until", ["success", "start"])
    def test_out_of_the_dead_set_it_is_held_again(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
        until: str,
    ) -> None:
        first = self._dead(adapter, uniquely, until)
        (dead,) = inspector.find([first.id])
        assert manager.move([Move(dead, dead.payload, State.ENQUEUED)]) == 1
        assert lost(uniquely, "k", until) == first.id

    @pytest.mark.parametrize("until", ["success", "start"])
    @pytest.mark.parametrize("state", [State.ENQUEUED, State.SCHEDULED])
    def test_a_dead_job_whose_place_is_taken_stays_where_it_is(  # noqa: PLR0913 - fixtures
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
        until: str,
        state: State,
    ) -> None:
        jobs = [self._dead(adapter, uniquely, until), self._dead(adapter, uniquely, "success", "o")]
        winner = stored(uniquely, "k", until)
        dead = inspector.find([job.id for job in jobs])
        assert manager.move([Move(each, each.payload, state) for each in dead]) == 1
        (still,) = inspector.find([jobs[0].id])
        assert still.state is State.DEAD
        assert lost(uniquely, "k", until) == winner.id

    def test_of_equal_dead_jobs_one_comes_back(
        self,
        adapter: Adapter,
        uniquely: SupportsUnique,
        manager: SupportsManage,
        inspector: SupportsInspect,
    ) -> None:
        jobs = [self._dead(adapter, uniquely, "success") for _ in range(3)]
        dead = inspector.find([job.id for job in jobs])
        assert manager.move([Move(each, each.payload, State.ENQUEUED) for each in dead]) == 1
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

    # Races

    def test_of_many_at_once_one_wins(self, adapter: Adapter, uniquely: SupportsUnique) -> None:
        names = [str(nth) for nth in range(20)]

        def compete() -> list[tuple[str, str | None]]:
            jobs = [unique(name) for name in names]
            return [(job.id, uniquely.enqueue_unique([job])[0]) for job in jobs]

        told = at_once([compete] * 8)
        _exactly_one_won(told, peek(adapter))

    def test_of_many_that_replace_at_once_the_store_holds_one(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        def compete() -> list[str]:
            jobs = [unique(on_conflict="replace") for _ in range(10)]
            return [job.id for job in jobs if uniquely.enqueue_unique([job]) == [None]]

        told = at_once([compete] * 4)
        (last,) = peek(adapter)
        assert last in flat(told)

    def test_of_many_processes_one_wins(
        self, adapter: Adapter, uniquely: SupportsUnique, opener: Callable[[], Adapter]
    ) -> None:
        names = [str(nth) for nth in range(50)]
        with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
            calls = [
                pool.submit(partial(compete_elsewhere, opener, f"w{nth}", names, 4))
                for nth in range(4)
            ]
            told = [call.result() for call in calls]
        _exactly_one_won(told, peek(adapter))

    def _dead(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str, key: str = "k"
    ) -> Payload:
        job = stored(uniquely, key, until)
        claim = claim_one(adapter, register(adapter, "undertaker"))
        adapter.settle([Bury(claim, claim.payload)])
        return job


def _exactly_one_won(told: list[list[tuple[str, str | None]]], waiting: list[str]) -> None:
    """Of each round one job is stored, and every other knows it."""
    for round_ in zip(*told, strict=True):
        (winner,) = [job for job, lost_to in round_ if lost_to is None]
        assert {lost_to for _, lost_to in round_ if lost_to is not None} == {winner}
        assert winner in waiting
    assert len(waiting) == len(told[0])
