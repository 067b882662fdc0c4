"""Cancelling: what waits is gone at once, what runs is told, and neither comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Claim, Release, Requeue, State
from jobkit.cancelling import SupportsCancel, is_marked
from jobkit.capabilities import StoredJob, SupportsInspect
from jobkit.jobs.cancelling import cancel
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.groups.listing import Place, Placing
from jobkit.testing.contract.support import claim, claim_one, enqueue, promote, register, snapshot

__all__ = ["Cancelling"]

WAITING = (State.ENQUEUED, State.SCHEDULED, State.RETRY)


def see(inspector: SupportsInspect, job_id: str) -> StoredJob:
    """The job as it is now."""
    (seen,) = inspector.find([job_id])
    return seen


def cancelled_by_beat(adapter: Adapter, worker: str, *claims: Claim) -> tuple[Claim, ...]:
    """What the worker's next beat tells it to cancel."""
    return adapter.beat(worker, lease=30.0, claims=claims).cancelled


class Cancelling(Placing):
    """`cancel`, and what becomes of a claim that was cancelled."""

    @pytest.fixture
    def held(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        canceller: SupportsCancel,
        worker: str,
    ) -> Claim:
        """The claim to a job that was cancelled while it runs."""
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        assert canceller.cancel([see(inspector, job.id)]) == 1
        return held

    @pytest.mark.parametrize("state", WAITING)
    def test_what_waits_is_gone(
        self, inspector: SupportsInspect, canceller: SupportsCancel, place: Place, state: State
    ) -> None:
        seen = see(inspector, place(state))
        assert canceller.cancel([seen]) == 1
        assert inspector.find([seen.payload.id]) == []
        assert canceller.cancel([seen]) == 0

    def test_the_dead_are_left_alone(
        self, adapter: Adapter, inspector: SupportsInspect, canceller: SupportsCancel, place: Place
    ) -> None:
        seen = see(inspector, place(State.DEAD))
        before = snapshot(adapter, "default")
        assert canceller.cancel([seen]) == 0
        assert snapshot(adapter, "default") == before

    def test_a_running_job_goes_on_and_its_worker_is_told_once(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str, held: Claim
    ) -> None:
        other = enqueue(adapter)
        beside = claim_one(adapter, worker)
        assert cancelled_by_beat(adapter, worker, held, beside) == (held,)
        assert cancelled_by_beat(adapter, worker, held, beside) == ()
        assert see(inspector, held.payload.id).state is State.RUNNING
        assert not is_marked(see(inspector, other.id).payload.text)

    def test_a_worker_that_does_not_know_of_its_claim_yet_is_told_when_it_does(
        self, adapter: Adapter, worker: str, held: Claim
    ) -> None:
        assert cancelled_by_beat(adapter, worker) == ()
        assert cancelled_by_beat(adapter, worker, held) == (held,)

    def test_the_supervisors_beat_leaves_it_for_the_worker(
        self, adapter: Adapter, worker: str, held: Claim
    ) -> None:
        assert adapter.beat(worker, lease=30.0, claims=None).cancelled == ()
        assert cancelled_by_beat(adapter, worker, held) == (held,)

    def test_orders_are_told_beside_it(self, adapter: Adapter, worker: str, held: Claim) -> None:
        assert adapter.order(worker, "quiet")  # type: ignore[attr-defined]
        beat = adapter.beat(worker, lease=30.0, claims=[held])
        assert (beat.cancelled, beat.orders) == ((held,), frozenset({"quiet"}))

    def test_twice_is_once(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        canceller: SupportsCancel,
        worker: str,
        held: Claim,
    ) -> None:
        assert canceller.cancel([see(inspector, held.payload.id)]) == 0
        assert cancelled_by_beat(adapter, worker, held) == (held,)

    def test_it_may_end_as_ever(
        self, adapter: Adapter, inspector: SupportsInspect, held: Claim
    ) -> None:
        assert adapter.settle([Ack(held)]) == []
        assert inspector.find([held.payload.id]) == []

    def test_it_may_die_as_ever(
        self, adapter: Adapter, inspector: SupportsInspect, held: Claim
    ) -> None:
        adapter.settle([Bury(held, held.payload)])
        dead = see(inspector, held.payload.id)
        assert (dead.state, dead.payload.text) == (State.DEAD, held.payload.text)

    @pytest.mark.parametrize("state", WAITING)
    def test_its_retry_waits_for_nothing_and_is_known_by_its_mark(
        self, adapter: Adapter, clock: ManualClock, worker: str, held: Claim, state: State
    ) -> None:
        again = held.payload.replace(scheduled_at=clock.time() + 3600, executions=1)
        assert adapter.settle([Requeue(held, again, state)]) == []
        promote(adapter)
        back = claim_one(adapter, worker)
        assert is_marked(back.payload.text)
        assert back.payload.replace(cancelled=None, enqueued_at=None) == again.replace(
            cancelled=None, enqueued_at=None
        )

    def test_given_back_it_is_known_by_its_mark(
        self, adapter: Adapter, worker: str, held: Claim
    ) -> None:
        adapter.settle([Release(held)])
        assert is_marked(claim_one(adapter, worker).payload.text)

    def test_a_checkpoint_does_not_take_the_mark_away(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str, held: Claim
    ) -> None:
        adapter.settle([Checkpoint(held, held.payload.replace(steps={"done": ["one"]}))])
        now = see(inspector, held.payload.id).payload
        assert is_marked(now.text)
        assert now.fields["steps"] == {"done": ["one"]}
        adapter.settle([Release(held)])
        assert claim_one(adapter, worker).payload == now

    def test_a_leaving_worker_gives_it_back_with_its_mark(
        self, adapter: Adapter, worker: str, other: str, held: Claim
    ) -> None:
        del held
        adapter.retire(worker)
        assert is_marked(claim_one(adapter, other).payload.text)

    def test_who_recovers_it_sees_the_mark(
        self, adapter: Adapter, worker: str, other: str, held: Claim
    ) -> None:
        del held
        [recovered] = adapter.recover(worker, to=other)
        assert is_marked(recovered.payload.text)

    def test_what_was_seen_under_another_claim_is_not_marked(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        canceller: SupportsCancel,
        clock: ManualClock,
        worker: str,
    ) -> None:
        job = enqueue(adapter)
        first = claim_one(adapter, worker)
        seen = see(inspector, job.id)
        adapter.settle([Release(first)])
        clock.advance(1)
        second = claim_one(adapter, worker)
        assert canceller.cancel([seen]) == 0
        assert cancelled_by_beat(adapter, worker, second) == ()

    def test_text_that_is_no_job_is_not_marked(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        canceller: SupportsCancel,
        worker: str,
    ) -> None:
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        adapter.settle([Checkpoint(held, Payload("no job"))])
        seen = [each for each in inspector.jobs(State.RUNNING).items if each.id == job.id]
        assert canceller.cancel(seen) == 0

    def test_whatever_happens_meanwhile_no_cancelled_job_runs_unmarked(
        self, adapter: Adapter, connect: Callable[[], Adapter], canceller: SupportsCancel
    ) -> None:
        del canceller
        jobs = [enqueue(adapter).id for _ in range(60)]
        cancelled: set[str] = set()
        over = threading.Event()
        workers = [_Worker(connect(), f"worker-{n}", cancelled, over) for n in range(3)]
        for worker in workers:
            worker.start()
        try:
            store = connect()
            for job in jobs:
                assert cancel(store, [job]) == 1
                cancelled.add(job)
        finally:
            over.set()
            for worker in workers:
                worker.join()
        left = [held.payload.text for held in claim(adapter, register(adapter, "after"))]
        assert all(map(is_marked, left))
        assert [worker.wrong for worker in workers] == [set(), set(), set()]


class _Worker(threading.Thread):
    """Runs jobs and has them come back, but for those that are marked."""

    def __init__(
        self, store: Adapter, name: str, cancelled: set[str], over: threading.Event
    ) -> None:
        super().__init__(name=name)
        self.wrong: set[str] = set()
        """What ran unmarked though it had been cancelled before it was claimed."""
        self._store = store
        self._cancelled = cancelled
        self._over = over

    def run(self) -> None:
        register(self._store, self.name)
        while not self._over.is_set():
            known = frozenset(self._cancelled)
            claims = claim(self._store, self.name, limit=3)
            self._over.wait(0.02)  # a job runs for a while, longer than a look takes
            self._store.settle([self._settled(held, known) for held in claims])

    def _settled(self, held: Claim, known: frozenset[str]) -> Ack | Requeue:
        if is_marked(held.payload.text):
            return Ack(held)
        self.wrong |= {held.payload.id} & known
        again = held.payload.replace(executions=held.payload.executions + 1)
        return Requeue(held, again, State.ENQUEUED)
