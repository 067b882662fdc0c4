"""Inspecting: the store tells truly what it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Claim, Requeue, State
from jobkit.capabilities import QueueInfo, Stats, StoredJob, SupportsInspect, WorkerInfo
from jobkit.clock import as_datetime
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    payload,
    presence,
    promote,
    register,
)

__all__ = ["Finding", "Inspecting"]


def fresh(adapter: Adapter, clock: ManualClock, **fields: object) -> Payload:
    """Enqueue a job as the core does at this moment."""
    return enqueue(adapter, enqueued_at=clock.time(), **fields)


class Inspecting:
    """`stats`, `queues` and `workers`."""

    def test_an_empty_store_holds_nothing(self, inspector: SupportsInspect) -> None:
        assert inspector.stats() == Stats()
        assert (inspector.queues(), inspector.workers()) == ([], [])

    def test_the_sizes_are_those_of_the_states(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, worker: str
    ) -> None:
        adapter.enqueue([payload() for _ in range(8)])
        adapter.enqueue([payload(scheduled_at=clock.time() + 9) for _ in range(3)])
        retried, buried, acked, *_ = claim(adapter, worker, limit=5)
        later = retried.payload.replace(scheduled_at=clock.time() + 9)
        adapter.settle([Requeue(retried, later, State.RETRY), Bury(buried, buried.payload)])
        adapter.settle([Ack(acked)])
        assert inspector.stats() == Stats(
            processed=2, failed=1, enqueued=3, scheduled=3, retry=1, dead=1, running=2
        )

    def test_queues_are_listed_by_name_with_their_size(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        for queue in ("low", "high", "low"):
            enqueue(adapter, queue=queue)
        listed = [(queue.name, queue.size, queue.paused) for queue in inspector.queues()]
        assert listed == [("high", 1, False), ("low", 2, False)]

    def test_the_latency_is_the_age_of_the_oldest(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        fresh(adapter, clock, priority=5 if adapter.features.priority else None)
        clock.advance(10)
        fresh(adapter, clock)
        clock.advance(5)
        (queue,) = inspector.queues()
        assert round(queue.latency, 3) == 15

    def test_the_latency_goes_with_the_oldest(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, worker: str
    ) -> None:
        fresh(adapter, clock)
        clock.advance(10)
        fresh(adapter, clock)
        clock.advance(5)
        claim_one(adapter, worker)
        (queue,) = inspector.queues()
        assert round(queue.latency, 3) == 5

    def test_a_queue_with_nothing_to_do_is_listed_while_it_is_served(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        register(adapter, "worker", presence=presence("mail", "default"))
        served = [QueueInfo(name, 0, 0, paused=False) for name in ("default", "mail")]
        assert inspector.queues() == served
        adapter.retire("worker")
        assert inspector.queues() == []

    def test_what_only_waits_or_runs_makes_no_queue(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, worker: str
    ) -> None:
        enqueue(adapter, queue="running")
        claim_one(adapter, worker, "running")
        enqueue(adapter, queue="scheduled", scheduled_at=clock.time() + 9)
        assert inspector.queues() == []

    def test_a_worker_is_listed_as_it_tells(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        told = replace(
            presence("default", "mail", host="büro", pid=12, concurrency=7, rss=5_000_000),
            embedded=True,
        )
        register(adapter, "worker", presence=told)
        for _ in range(3):
            enqueue(adapter)
        claim(adapter, "worker", limit=2)
        assert inspector.workers() == [
            WorkerInfo(
                id="worker",
                host="büro",
                pid=12,
                queues=("default", "mail"),
                concurrency=7,
                running=2,
                quiet=False,
                started_at=as_datetime(told.started_at),
                beat_at=as_datetime(clock.time()),
                rss=5_000_000,
                embedded=True,
            )
        ]
        assert inspector.stats().workers == 1

    def test_a_worker_is_as_its_last_beat_told(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        register(adapter, "worker", presence=presence("default"))
        clock.advance(5)
        quiet = presence("default", quiet=True, rss=9)
        adapter.beat("worker", lease=30.0, claims=[], presence=quiet)
        (worker,) = inspector.workers()
        assert (worker.quiet, worker.rss) == (True, 9)
        assert worker.beat_at == as_datetime(clock.time())

    def test_the_supervisors_beat_leaves_the_worker_listed(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        register(adapter, "worker", presence=presence("default", rss=9))
        adapter.beat("worker", lease=30.0, claims=None)
        assert [(worker.id, worker.rss) for worker in inspector.workers()] == [("worker", 9)]

    def test_workers_are_listed_oldest_first(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        for name, started_at in (("young", 300.5), ("old", 100.5), ("middle", 200.5)):
            register(adapter, name, presence=presence("default", started_at=started_at))
        assert [worker.id for worker in inspector.workers()] == ["old", "middle", "young"]

    def test_who_tells_no_presence_is_not_listed(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        register(adapter, "supervisor")
        assert inspector.workers() == []
        assert inspector.stats().workers == 0

    def test_who_left_or_died_is_not_listed(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        for name in ("left", "dead", "alive"):
            register(adapter, name, presence=presence("default"))
        adapter.retire("left")
        adapter.recover("dead", to="alive")
        assert [worker.id for worker in inspector.workers()] == ["alive"]


class Finding:
    """`find`: a job by its id, wherever it lies."""

    def test_a_waiting_job_is_found_with_the_time_it_is_due(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 9)
        assert _seen(inspector, job) == (State.SCHEDULED, job.text, clock.time() + 9, None)

    def test_a_retry_is_found_with_the_time_it_is_due(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, held: Claim
    ) -> None:
        later = held.payload.replace(scheduled_at=clock.time() + 9)
        adapter.settle([Requeue(held, later, State.RETRY)])
        assert _seen(inspector, later) == (State.RETRY, later.text, clock.time() + 9, None)

    def test_an_enqueued_job_is_found_with_the_time_it_became_so(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        job = fresh(adapter, clock)
        became_so = clock.time()
        clock.advance(60)
        assert _seen(inspector, job) == (State.ENQUEUED, job.text, became_so, None)

    def test_a_running_job_is_found_with_its_worker(
        self, inspector: SupportsInspect, clock: ManualClock, held: Claim
    ) -> None:
        claimed_at = clock.time()
        clock.advance(60)
        expected = (State.RUNNING, held.payload.text, claimed_at, "worker")
        assert _seen(inspector, held.payload) == expected

    def test_a_recovered_job_is_found_with_its_heir(
        self, adapter: Adapter, inspector: SupportsInspect, held: Claim, other: str
    ) -> None:
        adapter.recover("worker", to=other)
        (found,) = inspector.find([held.payload.id])
        assert (found.state, found.worker) == (State.RUNNING, other)

    def test_a_dead_job_is_found_with_the_time_it_died(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, held: Claim
    ) -> None:
        clock.advance(60)
        died_at = clock.time()
        broken = held.payload.replace(error_class="E")
        adapter.settle([Bury(held, broken)])
        assert _seen(inspector, broken) == (State.DEAD, broken.text, died_at, None)

    def test_a_promoted_job_is_found_enqueued(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        job = enqueue(adapter, scheduled_at=clock.time() + 9)
        clock.advance(9)
        promote(adapter)
        (found,) = inspector.find([job.id])
        assert found.state is State.ENQUEUED

    def test_what_is_finished_or_unknown_is_left_out(
        self, adapter: Adapter, inspector: SupportsInspect, held: Claim
    ) -> None:
        adapter.settle([Ack(held)])
        job = enqueue(adapter)
        found = inspector.find([held.payload.id, job.id, "unknown"])
        assert [each.payload for each in found] == [job]

    def test_nobody_asked_for_is_nobody_found(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        enqueue(adapter)
        assert inspector.find([]) == []

    @pytest.fixture
    def held(self, adapter: Adapter, worker: str) -> Claim:
        """A job that runs."""
        enqueue(adapter)
        return claim_one(adapter, worker)


def _seen(inspector: SupportsInspect, job: Payload) -> tuple[State, str, float, str | None]:
    (found,) = inspector.find([job.id])
    return _told(found)


def _told(found: StoredJob) -> tuple[State, str, float, str | None]:
    return found.state, found.payload.text, round(found.at, 3), found.worker
