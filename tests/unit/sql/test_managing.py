from __future__ import annotations

from dataclasses import replace

import pytest

from jobkit.adapter import Release, State
from jobkit.capabilities import Move
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter, manage
from tests.unit.sql.support import claim_one, enqueue, ids, payload, peek


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7])
def test_a_queue_is_cleared_in_slices(
    adapter: SqlAdapter, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(manage, "_SLICE", 3)
    adapter.enqueue([payload() for _ in range(size)])
    kept = enqueue(adapter, queue="other")
    assert adapter.clear("default") == size
    assert peek(adapter, "default", "other") == [kept.id]


def test_a_job_that_made_progress_is_not_where_it_was(adapter: SqlAdapter, worker: str) -> None:
    job = enqueue(adapter)
    [seen] = adapter.find([job.id])
    adapter.settle([Release(claim_one(adapter, worker))])
    assert adapter.find([job.id]) == [seen]
    assert adapter.delete([replace(seen, payload=job.replace(cursor=1))]) == 0
    assert adapter.delete([seen]) == 1


def test_a_running_job_is_never_touched(adapter: SqlAdapter, worker: str) -> None:
    job = enqueue(adapter)
    claim_one(adapter, worker)
    [running] = adapter.find([job.id])
    assert adapter.delete([running]) == 0
    assert adapter.move([Move(running, running.payload, State.DEAD)]) == 0
    assert ids(adapter.held(worker)) == [job.id]


@pytest.mark.parametrize("locator", ["", "x", "0", "99", "9" * 30])
def test_a_locator_of_another_store_leads_nowhere(adapter: SqlAdapter, locator: str) -> None:
    job = enqueue(adapter)
    [seen] = adapter.find([job.id])
    assert adapter.delete([replace(seen, locator=locator)]) == 0
    assert peek(adapter) == [job.id]


def test_a_job_is_moved_by_what_its_new_payload_says(
    adapter: SqlAdapter, clock: ManualClock
) -> None:
    job = enqueue(adapter)
    [seen] = adapter.find([job.id])
    later = job.replace(queue="other", priority=-3, scheduled_at=clock.time() + 5, deliveries=2)
    assert adapter.move([Move(seen, later, State.SCHEDULED)]) == 1
    [moved] = adapter.find([job.id])
    assert (moved.state, moved.at, moved.payload) == (State.SCHEDULED, clock.time() + 5, later)
    assert adapter.move([Move(seen, job, State.DEAD)]) == 0
