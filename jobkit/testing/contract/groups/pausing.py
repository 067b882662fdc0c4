"""Pausing: nothing is claimed from a paused queue, by anybody, until it is resumed."""

from __future__ import annotations

from collections.abc import Callable

from jobkit.adapter import Ack, Adapter, Release
from jobkit.capabilities import SupportsInspect, SupportsPause
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import claim, claim_one, enqueue, peek, promote

__all__ = ["Pausing"]


class Pausing:
    """`SupportsPause`."""

    def test_nothing_is_claimed_from_a_paused_queue(
        self, pauser: SupportsPause, connect: Callable[[], Adapter], worker: str
    ) -> None:
        enqueue(connect())
        pauser.pause("default")
        assert claim(connect(), worker) == []

    def test_the_other_queues_are_served(self, adapter: Adapter, pauser: SupportsPause) -> None:
        jobs = {queue: enqueue(adapter, queue=queue).id for queue in ("a", "b", "c")}
        pauser.pause("b")
        assert peek(adapter, "a", "b", "c") == [jobs["a"], jobs["c"]]

    def test_a_resumed_queue_is_as_it_was(self, adapter: Adapter, pauser: SupportsPause) -> None:
        jobs = [enqueue(adapter).id]
        pauser.pause("default")
        jobs.append(enqueue(adapter).id)
        pauser.resume("default")
        assert peek(adapter) == jobs

    def test_pausing_and_resuming_twice_is_no_error(
        self, adapter: Adapter, pauser: SupportsPause
    ) -> None:
        job = enqueue(adapter)
        pauser.pause("default")
        pauser.pause("default")
        assert peek(adapter) == []
        pauser.resume("default")
        pauser.resume("default")
        assert peek(adapter) == [job.id]

    def test_an_empty_and_unknown_queue_can_be_paused(
        self, adapter: Adapter, pauser: SupportsPause
    ) -> None:
        pauser.pause("default")
        enqueue(adapter)
        assert peek(adapter) == []

    def test_what_runs_goes_on(self, adapter: Adapter, pauser: SupportsPause, worker: str) -> None:
        for _ in range(2):
            enqueue(adapter)
        done, back = claim(adapter, worker)
        pauser.pause("default")
        assert adapter.settle([Ack(done), Release(back)]) == []
        assert peek(adapter) == []
        pauser.resume("default")
        assert peek(adapter) == [back.payload.id]

    def test_jobs_fall_due_in_a_paused_queue(
        self, adapter: Adapter, pauser: SupportsPause, clock: ManualClock
    ) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 5)
        pauser.pause("default")
        clock.advance(5)
        assert promote(adapter) == 1
        assert peek(adapter) == []
        pauser.resume("default")
        assert peek(adapter) == [job.id]

    def test_a_paused_queue_is_listed_as_such(
        self, adapter: Adapter, pauser: SupportsPause, inspector: SupportsInspect
    ) -> None:
        enqueue(adapter, queue="busy")
        pauser.pause("empty")
        pauser.pause("gone")
        pauser.resume("gone")
        listed = [(queue.name, queue.size, queue.paused) for queue in inspector.queues()]
        assert listed == [("busy", 1, False), ("empty", 0, True)]

    def test_pausing_does_not_take_what_is_held(
        self, adapter: Adapter, pauser: SupportsPause, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        pauser.pause("default")
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()
