"""Uniqueness: of the jobs with one lock the store holds one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from jobkit.adapter import Ack, Adapter, Requeue, State
from jobkit.capabilities import (
    SupportsUnique,
)
from jobkit.errors import DuplicateJob, PayloadError
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.competitors import at_once, compete_elsewhere, separately
from jobkit.testing.contract.locked import WAYS, lost, stored, unique
from jobkit.testing.contract.support import claim_one, flat, payload, peek, promote, register

__all__ = ["Uniqueness"]


class Uniqueness:
    """`SupportsUnique`."""

    # Who wins

    @pytest.mark.parametrize("until", WAYS)
    def test_of_equal_jobs_the_first_is_stored_and_the_others_learn_which(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        first = stored(uniquely, "k", until)
        assert lost(uniquely, "k", until) == first.id
        assert peek(adapter) == [first.id]

    def test_jobs_with_other_locks_or_none_are_stored(
        self, adapter: Adapter, uniquely: SupportsUnique
    ) -> None:
        jobs = [*(unique("k", until) for until in WAYS), unique("other"), payload(), payload()]
        assert uniquely.enqueue_unique(jobs) == [None] * 6
        assert peek(adapter) == [job.id for job in jobs]

    @pytest.mark.parametrize("until", WAYS)
    def test_of_equal_jobs_of_one_call_the_first_is_stored(
        self, adapter: Adapter, uniquely: SupportsUnique, until: str
    ) -> None:
        jobs = [payload(), unique("k", until), unique("k", until), unique("o", until)]
        assert uniquely.enqueue_unique(jobs) == [None, None, jobs[1].id, None]
        assert peek(adapter) == [jobs[nth].id for nth in (0, 1, 3)]

    @pytest.mark.parametrize("until", WAYS)
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

    @pytest.mark.parametrize("until", WAYS)
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

    @pytest.mark.parametrize("until", WAYS)
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
        with ProcessPoolExecutor(4, mp_context=separately(opener)) as pool:
            calls = [
                pool.submit(partial(compete_elsewhere, opener, f"w{nth}", names, 4))
                for nth in range(4)
            ]
            told = [call.result() for call in calls]
        _exactly_one_won(told, peek(adapter))


def _exactly_one_won(told: list[list[tuple[str, str | None]]], waiting: list[str]) -> None:
    """Of each round one job is stored, and every other knows it."""
    for round_ in zip(*told, strict=True):
        (winner,) = [job for job, lost_to in round_ if lost_to is None]
        assert {lost_to for _, lost_to in round_ if lost_to is not None} == {winner}
        assert winner in waiting
    assert len(waiting) == len(told[0])
