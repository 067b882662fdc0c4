"""Managing: what waits is moved or deleted if it still is where it was seen; workers get orders."""

from __future__ import annotations

import pytest

from jobkit.adapter import Ack, Adapter, Release, Requeue, State
from jobkit.capabilities import Move, StoredJob, SupportsInspect, SupportsManage
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.groups.listing import Place, Placing
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    ids,
    pages,
    peek,
    presence,
    promote,
    register,
    snapshot,
)

__all__ = ["Commanding", "Deleting", "Moving"]

RESTING = (State.ENQUEUED, State.SCHEDULED, State.RETRY, State.DEAD)


def see(inspector: SupportsInspect, job_id: str) -> StoredJob:
    """The job as it is now."""
    (seen,) = inspector.find([job_id])
    return seen


class _Resting(Placing):
    """For tests that go through the states in which nobody holds a job."""

    @pytest.fixture(params=RESTING)
    def state(self, request: pytest.FixtureRequest) -> State:
        """Each of these states in turn."""
        state: State = request.param
        return state

    @pytest.fixture
    def running(self, adapter: Adapter, inspector: SupportsInspect, worker: str) -> StoredJob:
        """A running job, as inspection sees it."""
        job = enqueue(adapter, queue="running")
        claim_one(adapter, worker, "running")
        return see(inspector, job.id)


class Moving(_Resting):
    """`move`."""

    @pytest.mark.parametrize("to", RESTING)
    def test_a_job_goes_where_it_is_put(
        self,
        inspector: SupportsInspect,
        manager: SupportsManage,
        clock: ManualClock,
        place: Place,
        state: State,
        to: State,
    ) -> None:
        seen = see(inspector, place(state))
        changed = seen.payload.replace(scheduled_at=clock.time() + 50, note="moved")
        assert manager.move([Move(seen, changed, to)]) == 1
        now = see(inspector, changed.id)
        assert (now.state, now.payload.text, now.worker) == (to, changed.text, None)

    def test_what_is_enqueued_can_be_claimed(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        manager: SupportsManage,
        place: Place,
        state: State,
    ) -> None:
        seen = see(inspector, place(state))
        changed = seen.payload.replace(queue="elsewhere", retry_count=None)
        manager.move([Move(seen, changed, State.ENQUEUED)])
        assert peek(adapter, "default") == []
        assert claim_one(adapter, "worker", "elsewhere").payload == changed

    def test_what_is_put_off_waits_for_its_time(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        manager: SupportsManage,
        clock: ManualClock,
        place: Place,
        state: State,
    ) -> None:
        seen = see(inspector, place(state))
        later = seen.payload.replace(scheduled_at=clock.time() + 50)
        manager.move([Move(seen, later, State.SCHEDULED)])
        clock.advance(49)
        assert (promote(adapter), peek(adapter)) == (0, [])
        clock.advance(1)
        assert (promote(adapter), peek(adapter)) == (1, [later.id])

    def test_what_is_buried_does_not_run(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        manager: SupportsManage,
        clock: ManualClock,
        place: Place,
        state: State,
    ) -> None:
        seen = see(inspector, place(state))
        manager.move([Move(seen, seen.payload, State.DEAD)])
        clock.advance(30 * 86_400)
        promote(adapter)
        assert peek(adapter) == []

    def test_a_job_is_moved_once(
        self, inspector: SupportsInspect, manager: SupportsManage, place: Place, state: State
    ) -> None:
        seen = see(inspector, place(state))
        move = Move(seen, seen.payload.replace(note="moved"), State.DEAD)
        assert [manager.move([move]), manager.move([move])] == [1, 0]

    def test_a_running_job_is_never_moved(
        self, adapter: Adapter, manager: SupportsManage, running: StoredJob
    ) -> None:
        before = snapshot(adapter)
        assert manager.move([Move(running, running.payload, State.DEAD)]) == 0
        assert snapshot(adapter) == before

    def test_a_job_that_was_claimed_meanwhile_is_left_alone(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        seen = see(inspector, enqueue(adapter).id)
        held = claim_one(adapter, worker)
        assert manager.move([Move(seen, seen.payload, State.DEAD)]) == 0
        assert adapter.settle([Ack(held)]) == []

    def test_a_job_that_is_gone_stays_gone(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        seen = see(inspector, enqueue(adapter).id)
        adapter.settle([Ack(claim_one(adapter, worker))])
        before = snapshot(adapter)
        assert manager.move([Move(seen, seen.payload, State.ENQUEUED)]) == 0
        assert snapshot(adapter) == before

    def test_a_job_that_fell_due_meanwhile_is_left_alone(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        manager: SupportsManage,
        clock: ManualClock,
    ) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 5)
        seen = see(inspector, job.id)
        clock.advance(5)
        promote(adapter)
        assert manager.move([Move(seen, seen.payload, State.DEAD)]) == 0
        assert peek(adapter) == [job.id]

    def test_a_job_that_ran_and_came_back_is_not_overwritten(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        seen = see(inspector, enqueue(adapter).id)
        held = claim_one(adapter, worker)
        counted = held.payload.replace(executions=1)
        adapter.settle([Requeue(held, counted, State.ENQUEUED)])
        assert manager.move([Move(seen, seen.payload, State.DEAD)]) == 0
        assert claim_one(adapter, worker).payload == counted

    def test_the_number_is_of_those_that_moved(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        jobs = [enqueue(adapter).id for _ in range(4)]
        seen = inspector.find(jobs)
        claim_one(adapter, worker)
        assert manager.move([Move(job, job.payload, State.DEAD) for job in seen]) == 3
        assert manager.move([]) == 0


class Deleting(_Resting):
    """`delete` and `clear`."""

    def test_a_deleted_job_is_gone(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        manager: SupportsManage,
        clock: ManualClock,
        place: Place,
        state: State,
    ) -> None:
        gone, kept = place(state), place(state)
        assert manager.delete([see(inspector, gone)]) == 1
        clock.advance(30 * 86_400)
        promote(adapter)
        assert ids(inspector.find([gone, kept])) == [kept]
        assert gone not in peek(adapter)

    def test_a_walk_over_jobs_that_go_meanwhile_visits_all_others(
        self, inspector: SupportsInspect, manager: SupportsManage, place: Place, state: State
    ) -> None:
        jobs = [place(state) for _ in range(12)]
        visited: list[str] = []
        gone: list[str] = []
        for page in pages(inspector, state, limit=2):
            visited += ids(page)
            ahead = [job for job in jobs if job not in {*visited, *gone}][:1]
            gone += ahead
            manager.delete([*page, *inspector.find(ahead)])
        assert sorted(visited + gone) == sorted(jobs)
        assert len(visited) >= len(gone)

    def test_a_job_is_deleted_once(
        self, inspector: SupportsInspect, manager: SupportsManage, place: Place, state: State
    ) -> None:
        seen = see(inspector, place(state))
        assert [manager.delete([seen]), manager.delete([seen])] == [1, 0]

    def test_a_running_job_is_never_deleted(
        self, adapter: Adapter, manager: SupportsManage, running: StoredJob
    ) -> None:
        before = snapshot(adapter)
        assert manager.delete([running]) == 0
        assert snapshot(adapter) == before

    def test_a_job_that_was_claimed_meanwhile_is_left_alone(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        jobs = [enqueue(adapter).id for _ in range(3)]
        seen = inspector.find(jobs)
        held = claim_one(adapter, worker)
        assert manager.delete(seen) == 2
        assert adapter.settle([Release(held)]) == []
        assert peek(adapter) == [held.payload.id]

    def test_a_job_that_ran_and_came_back_is_left_alone(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        seen = see(inspector, enqueue(adapter).id)
        held = claim_one(adapter, worker)
        counted = held.payload.replace(executions=1)
        adapter.settle([Requeue(held, counted, State.ENQUEUED)])
        assert manager.delete([seen]) == 0
        assert peek(adapter) == [counted.id]

    def test_a_deleted_job_may_come_again(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage
    ) -> None:
        job = enqueue(adapter)
        manager.delete([see(inspector, job.id)])
        adapter.enqueue([job])
        assert peek(adapter) == [job.id]

    def test_nothing_is_skipped_when_what_was_shown_is_deleted(
        self, inspector: SupportsInspect, manager: SupportsManage, state: State, place: Place
    ) -> None:
        jobs = [place(state) for _ in range(7)]
        shown: list[str] = []
        for page in pages(inspector, state, limit=2):
            shown += ids(page)
            assert manager.delete(page) == len(page)
        assert sorted(shown) == sorted(jobs)

    def test_a_cleared_queue_has_no_enqueued_job(
        self, adapter: Adapter, manager: SupportsManage
    ) -> None:
        for queue in ("default", "default", "other"):
            enqueue(adapter, queue=queue)
        assert [manager.clear("default"), manager.clear("default")] == [2, 0]
        assert peek(adapter) == []
        assert len(peek(adapter, "other")) == 1

    def test_clearing_leaves_what_waits_what_runs_and_what_is_dead(
        self, inspector: SupportsInspect, manager: SupportsManage, place: Place
    ) -> None:
        left = [place(state) for state in (State.RUNNING, State.DEAD, State.SCHEDULED)]
        place(State.ENQUEUED)
        assert manager.clear("default") == 1
        assert sorted(ids(inspector.find(left))) == sorted(left)


class Commanding:
    """`order`."""

    @pytest.mark.parametrize("order", ["quiet", "stop"])
    def test_an_order_comes_with_the_next_beat_and_once(
        self, adapter: Adapter, manager: SupportsManage, worker: str, order: str
    ) -> None:
        assert manager.order(worker, order)
        orders = [adapter.beat(worker, lease=30.0, claims=[]).orders for _ in range(3)]
        assert orders == [{order}, frozenset(), frozenset()]

    def test_two_orders_come_together(
        self, adapter: Adapter, manager: SupportsManage, worker: str
    ) -> None:
        for order in ("quiet", "stop", "quiet"):
            manager.order(worker, order)
        assert adapter.beat(worker, lease=30.0, claims=[]).orders == {"quiet", "stop"}

    def test_an_order_is_for_one_worker(
        self, adapter: Adapter, manager: SupportsManage, worker: str, other: str
    ) -> None:
        manager.order(worker, "stop")
        assert adapter.beat(other, lease=30.0, claims=[]).orders == frozenset()

    def test_the_supervisors_beat_leaves_the_order_for_the_worker(
        self, adapter: Adapter, manager: SupportsManage, worker: str
    ) -> None:
        manager.order(worker, "stop")
        adapter.beat(worker, lease=30.0, claims=None)
        assert adapter.beat(worker, lease=30.0, claims=[]).orders == {"stop"}

    def test_nobody_takes_an_order_for_a_worker_that_is_not_there(
        self, adapter: Adapter, manager: SupportsManage
    ) -> None:
        register(adapter, "gone", presence=presence("default"))
        adapter.retire("gone")
        assert not manager.order("gone", "stop")
        assert not manager.order("nobody", "stop")

    def test_an_order_does_not_touch_what_is_held(
        self, adapter: Adapter, manager: SupportsManage, worker: str
    ) -> None:
        enqueue(adapter)
        claims = claim(adapter, worker)
        manager.order(worker, "quiet")
        assert adapter.beat(worker, lease=30.0, claims=claims).lost == ()
