"""Enqueueing: all or none, exactly as given, for everybody at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobkit.adapter import Adapter
from jobkit.errors import JobkitError
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
    register,
)

__all__ = ["Closing", "Enqueueing"]


class Enqueueing:
    """`enqueue`."""

    def test_an_enqueued_job_can_be_claimed(self, adapter: Adapter, worker: str) -> None:
        job = enqueue(adapter)
        assert claim_one(adapter, worker).payload == job

    def test_enqueueing_nothing_is_no_error(self, adapter: Adapter) -> None:
        adapter.enqueue([])
        assert peek(adapter) == []

    def test_every_client_sees_the_job(
        self, adapter: Adapter, connect: Callable[[], Adapter], worker: str
    ) -> None:
        job = enqueue(connect())
        assert claim_one(connect(), worker).payload == job

    def test_jobs_that_differ_only_in_their_id_are_as_many_jobs(self, adapter: Adapter) -> None:
        jobs = [payload() for _ in range(5)]
        adapter.enqueue(jobs)
        assert peek(adapter) == [job.id for job in jobs]

    def test_a_thousand_at_once_are_all_stored_in_their_order(self, adapter: Adapter) -> None:
        jobs = [payload(args=[number]) for number in range(1000)]
        adapter.enqueue(jobs)
        assert peek(adapter) == [job.id for job in jobs]

    def test_of_a_batch_with_text_that_is_no_job_nothing_is_stored(self, adapter: Adapter) -> None:
        with pytest.raises(JobkitError):
            adapter.enqueue([payload(), Payload('{"class":'), payload()])
        assert peek(adapter) == []

    def test_what_is_stored_does_not_change_with_what_it_was_made_of(
        self, adapter: Adapter, worker: str
    ) -> None:
        args = ["as it was"]
        enqueue(adapter, args=args)
        args[0] = "changed later"
        assert claim_one(adapter, worker).payload.args == ["as it was"]

    def test_a_time_that_has_come_means_now(self, adapter: Adapter, clock: ManualClock) -> None:
        past = enqueue(adapter, scheduled_at=clock.time() - 60)
        now = enqueue(adapter, scheduled_at=clock.time())
        assert sorted(peek(adapter)) == sorted([past.id, now.id])

    def test_one_batch_may_go_to_many_queues_at_many_times(
        self, adapter: Adapter, clock: ManualClock, worker: str
    ) -> None:
        now, later = payload(queue="a"), payload(queue="b", scheduled_at=clock.time() + 5)
        adapter.enqueue([later, now])
        assert ids(claim(adapter, worker, "a", "b")) == [now.id]
        clock.advance(5)
        promote(adapter)
        assert ids(claim(adapter, worker, "a", "b")) == [later.id]


class Closing:
    """`close`."""

    def test_a_closed_adapter_can_be_used_again(self, adapter: Adapter) -> None:
        job = enqueue(adapter)
        adapter.close()
        assert peek(adapter) == [job.id]

    def test_closing_twice_is_no_error(self, adapter: Adapter) -> None:
        adapter.close()
        adapter.close()

    def test_a_claim_outlives_the_connection(self, adapter: Adapter) -> None:
        enqueue(adapter)
        worker = register(adapter, "worker")
        held = claim_one(adapter, worker)
        adapter.close()
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()
