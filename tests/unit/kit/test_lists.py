"""enqueued_jobs, performed_jobs, clear_jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobkit import Unsupported, enqueue
from jobkit.inspection import inspect
from jobkit_inline import (
    FakeAdapter,
    InlineAdapter,
    MemoryAdapter,
    clear_jobs,
    drain,
    enqueued_jobs,
    perform_enqueued_jobs,
    performed_jobs,
    use_adapter,
)
from tests.unit.kit import jobs
from tests.unit.kit.jobs import Cleanup, Welcome

pytestmark = [pytest.mark.behaviour("K1"), pytest.mark.usefixtures("fake")]


def test_enqueued_jobs_are_instances_in_the_order_they_came() -> None:
    first = Welcome.perform_in(60, 1)
    second = Cleanup.perform_later(2)
    found = enqueued_jobs()
    assert [job.id for job in found] == [first.id, second.id]
    assert [type(job) for job in found] == [Welcome, Cleanup]
    assert [job.executions for job in found] == [0, 0]
    assert found[0].scheduled_at == first.scheduled_at


def test_a_retried_job_comes_last_and_knows_its_runs() -> None:
    flaky = jobs.Flaky.perform_later()
    Welcome.perform_later(1)
    perform_enqueued_jobs(only=jobs.Flaky)
    assert [job.executions for job in enqueued_jobs()] == [0, 1]
    assert enqueued_jobs()[-1].id == flaky.id


def test_a_job_whose_class_is_elsewhere_is_there_too() -> None:
    enqueue("billing.Charge", args=[1])
    assert [job.args for job in enqueued_jobs()] == [[1]]


def test_performed_jobs_are_the_runs_in_the_order_they_started() -> None:
    flaky = jobs.Flaky.perform_later(2)
    Welcome.perform_in(30, 1)
    drain()
    assert [(type(job), job.executions) for job in performed_jobs()] == [
        (jobs.Flaky, 1),
        (Welcome, 1),
        (jobs.Flaky, 2),
    ]
    assert performed_jobs()[-1].id == flaky.id


def test_clear_forgets_everything_the_moved_time_included(fake: FakeAdapter) -> None:
    jobs.Failing.perform_later()
    Welcome.perform_later(1)
    drain()
    Welcome.perform_in(60, 2)
    clear_jobs()
    assert (enqueued_jobs(), performed_jobs()) == ([], [])
    stats = inspect().stats()
    assert (stats.dead, stats.processed) == (0, 0)
    assert abs(fake.now() - datetime.now(UTC).timestamp()) < 5


@pytest.mark.behaviour("K3")
def test_clear_of_a_class_empties_only_that_class() -> None:
    Welcome.perform_later(1)
    Cleanup.perform_in(60, 2)
    clear_jobs(Cleanup)
    assert [type(job) for job in enqueued_jobs()] == [Welcome]
    clear_jobs(lambda job: job.args == [1])
    assert enqueued_jobs() == []


def test_clear_inside_a_job_leaves_the_run_alone() -> None:
    from jobkit import Job

    class Clearing(Job, name="Clearing"):
        def perform(self) -> None:
            clear_jobs()

    Clearing.perform_later()
    assert perform_enqueued_jobs() == 1
    assert inspect().stats().running == 0


def test_an_inline_adapter_has_runs_and_nothing_that_waits() -> None:
    with use_adapter(InlineAdapter()):
        Welcome.perform_later(1)
        assert len(performed_jobs()) == 1
        for helper in (enqueued_jobs, perform_enqueued_jobs, drain, lambda: clear_jobs(Welcome)):
            with pytest.raises(Unsupported, match="InlineAdapter does not support"):
                helper()


def test_other_adapters_are_named_with_the_remedy() -> None:
    with use_adapter(MemoryAdapter()):
        for helper in (enqueued_jobs, performed_jobs, clear_jobs, perform_enqueued_jobs, drain):
            with pytest.raises(Unsupported, match=r"MemoryAdapter does not support .*fake_jobs"):
                helper()
