"""Restoring: jobs are taken as another store had them, each once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobkit.adapter import Adapter, State
from jobkit.capabilities import StoredJob, SupportsInspect, SupportsManage
from jobkit.payload import Payload
from jobkit.restoring import SupportsRestore
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import all_jobs, claim_one, ids, payload, peek, promote

__all__ = ["Restoring"]


class Restoring:
    """`SupportsRestore`."""

    @pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRY, State.DEAD])
    def test_a_job_lies_where_it_lay(
        self,
        restorer: SupportsRestore,
        inspector: SupportsInspect,
        clock: ManualClock,
        state: State,
    ) -> None:
        job = payload(error_class="ValueError", tags=["a"])
        at = clock.time() + (-60 if state is State.DEAD else 60)
        assert restorer.restore([_stored(job, state, at)]) == [None]
        (found,) = all_jobs(inspector, state)
        assert (found.payload.text, found.state, found.at) == (job.text, state, at)

    def test_enqueued_jobs_are_claimed_as_they_were_and_keep_their_order(
        self, adapter: Adapter, restorer: SupportsRestore, clock: ManualClock, worker: str
    ) -> None:
        jobs = [payload(args=[nth], enqueued_at=clock.time() - 10 + nth) for nth in range(3)]
        waiting = [
            _stored(job, State.ENQUEUED, clock.time() - 10 + nth) for nth, job in enumerate(jobs)
        ]
        assert restorer.restore(waiting) == [None] * 3
        assert peek(adapter) == [job.id for job in jobs]
        assert claim_one(adapter, worker).payload.text == jobs[0].text

    def test_a_blocked_job_is_enqueued_to_try(
        self, adapter: Adapter, restorer: SupportsRestore, clock: ManualClock
    ) -> None:
        job = payload()
        restorer.restore([_stored(job, State.BLOCKED, clock.time())])
        assert peek(adapter) == [job.id]

    def test_what_is_due_runs_and_what_is_not_waits(
        self, adapter: Adapter, restorer: SupportsRestore, clock: ManualClock
    ) -> None:
        soon, later = payload(), payload()
        restorer.restore(
            [
                _stored(soon, State.RETRY, clock.time() - 5),
                _stored(later, State.SCHEDULED, clock.time() + 500),
            ]
        )
        promote(adapter)
        assert peek(adapter) == [soon.id]

    @pytest.mark.parametrize("state", [State.ENQUEUED, State.SCHEDULED, State.RETRY, State.DEAD])
    def test_the_same_again_is_stored_once(
        self,
        restorer: SupportsRestore,
        connect: Callable[[], Adapter],
        inspector: SupportsInspect,
        clock: ManualClock,
        state: State,
    ) -> None:
        other = connect()
        assert isinstance(other, SupportsRestore)
        stored = _stored(payload(), state, clock.time() + 5)
        for each in (restorer, other, restorer):
            assert each.restore([stored]) == [None]
        assert ids(all_jobs(inspector, state)) == [stored.payload.id]

    def test_one_that_moved_on_meanwhile_is_not_stored_again(
        self,
        adapter: Adapter,
        restorer: SupportsRestore,
        inspector: SupportsInspect,
        clock: ManualClock,
    ) -> None:
        stored = _stored(payload(), State.RETRY, clock.time() - 1)
        restorer.restore([stored])
        promote(adapter)
        assert restorer.restore([stored]) == [None]
        assert inspector.stats().retry == 0
        assert inspector.stats().enqueued == 1

    def test_text_that_is_no_job_stays_among_the_dead(
        self, restorer: SupportsRestore, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        stored = StoredJob(Payload("no job"), State.DEAD, "", clock.time(), id="x")
        for _ in range(2):
            assert restorer.restore([stored]) == [None]
        (found,) = all_jobs(inspector, State.DEAD)
        assert found.payload.text == "no job"

    def test_a_unique_job_loses_to_an_equal_one_and_gives_way_to_itself(
        self,
        restorer: SupportsRestore,
        uniquely: object,
        inspector: SupportsInspect,
        clock: ManualClock,
    ) -> None:
        first, second = (payload(unique={"key": "k", "until": "success"}) for _ in range(2))
        waiting = [_stored(job, State.SCHEDULED, clock.time() + 5) for job in (first, second)]
        assert restorer.restore(waiting) == [None, first.id]
        assert restorer.restore(waiting) == [None, first.id]
        assert ids(all_jobs(inspector, State.SCHEDULED)) == [first.id]

    def test_its_lock_is_free_when_it_is_gone(
        self,
        restorer: SupportsRestore,
        uniquely: object,
        manager: SupportsManage,
        inspector: SupportsInspect,
        clock: ManualClock,
    ) -> None:
        first, second = (payload(unique={"key": "k", "until": "success"}) for _ in range(2))
        restorer.restore([_stored(first, State.RETRY, clock.time() + 5)])
        manager.delete(all_jobs(inspector, State.RETRY))
        assert restorer.restore([_stored(second, State.RETRY, clock.time() + 5)]) == [None]

    def test_a_dead_job_needs_no_lock(
        self, restorer: SupportsRestore, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        jobs = [payload(unique={"key": "k", "until": "success"}) for _ in range(2)]
        dead = [_stored(job, State.DEAD, clock.time()) for job in jobs]
        assert restorer.restore(dead) == [None, None]
        assert inspector.stats().dead == 2


def _stored(job: Payload, state: State, at: float) -> StoredJob:
    return StoredJob(job, state, "elsewhere", at)
