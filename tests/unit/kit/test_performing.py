"""perform_enqueued_jobs, as a call and as a context manager."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobkit import Job, perform_all_later
from jobkit.inspection import inspect
from jobkit.jobs.function import FunctionJob
from jobkit_inline import (
    FakeAdapter,
    assert_enqueued,
    assert_no_enqueued,
    assert_performed,
    enqueued_jobs,
    perform_enqueued_jobs,
    performed_jobs,
    use_adapter,
)
from tests.unit.kit import jobs
from tests.unit.kit.jobs import Cleanup, Welcome, notify, ran

pytestmark = [pytest.mark.behaviour("K1"), pytest.mark.usefixtures("fake")]


def enqueue_three() -> None:
    Welcome.perform_later("welcome")
    Cleanup.perform_in(600, "cleanup")
    notify.perform_later("notify")


class TestCall:
    def test_runs_what_waits_in_order_due_or_not(self) -> None:
        enqueue_three()
        assert perform_enqueued_jobs() == 3
        assert ran == ["welcome", "cleanup", "notify"]
        assert enqueued_jobs() == []

    def test_returns_none_run_when_none_waits(self) -> None:
        assert perform_enqueued_jobs() == 0

    def test_what_the_jobs_enqueue_stays(self) -> None:
        jobs.Chain.perform_later(2)
        assert perform_enqueued_jobs() == 1
        assert ran == [2]
        assert_enqueued(jobs.Chain, args=[1, 0])

    def test_a_retry_stays_with_its_time(self) -> None:
        before = datetime.now(UTC)
        jobs.Flaky.perform_later()
        assert perform_enqueued_jobs() == 1
        [retry] = enqueued_jobs()
        assert retry.executions == 1
        assert retry.scheduled_at is not None
        assert retry.scheduled_at - before > timedelta(seconds=58)

    def test_a_discarded_job_is_gone(self) -> None:
        jobs.Unwanted.perform_later()
        assert perform_enqueued_jobs() == 1
        assert_no_enqueued()

    def test_an_error_that_no_rule_names_is_raised_after_it_was_recorded(self) -> None:
        failing = jobs.Failing.perform_later()
        with pytest.raises(LookupError, match="no rule names this"):
            perform_enqueued_jobs()
        assert [job.id for job in enqueued_jobs()] == [failing.id]
        found = inspect().find(failing.id)
        assert found is not None
        assert (found.state, found.executions) == ("retry", 1)
        assert_performed(jobs.Failing)

    def test_the_jobs_behind_one_that_raises_go_on_waiting(self) -> None:
        perform_all_later([jobs.Failing.new(), Welcome.new(1)])
        with pytest.raises(LookupError):
            perform_enqueued_jobs()
        assert_enqueued(Welcome)

    def test_an_exhausted_rule_answers_for_its_error_no_more(self) -> None:
        flaky = jobs.Flaky.perform_later()
        assert perform_enqueued_jobs() + perform_enqueued_jobs() == 2
        with pytest.raises(jobs.Temporary, match="run 3"):
            perform_enqueued_jobs()
        found = inspect().find(flaky.id)
        assert found is not None
        assert found.state == "dead"

    @pytest.mark.parametrize("what", ["retry", "snooze", "discard", "bury"])
    def test_what_the_job_says_itself_is_no_error(self, what: str) -> None:
        jobs.Saying.perform_later(what)
        assert perform_enqueued_jobs() == 1

    def test_an_unknown_class_is_an_error(self) -> None:
        from jobkit import UnknownJob, enqueue

        enqueue("billing.Charge")
        with pytest.raises(UnknownJob):
            perform_enqueued_jobs()

    def test_a_job_that_cannot_even_be_made_goes_on_waiting(self) -> None:
        class Unmade(Job, name="Unmade"):
            broken = False

            def __init__(self) -> None:
                if Unmade.broken:
                    raise OSError("cannot be made")

            def perform(self) -> None: ...

        unmade = Unmade.perform_later()
        Unmade.broken = True
        with pytest.raises(OSError, match="cannot be made"):
            perform_enqueued_jobs()
        found = inspect().find(unmade.id)
        assert found is not None
        assert found.state == "enqueued"


class TestFilters:
    @pytest.mark.parametrize(
        ("only", "runs"),
        [
            (Welcome, ["welcome"]),
            (notify, ["notify"]),
            ("Cleanup", ["cleanup"]),
            ([Cleanup, notify], ["cleanup", "notify"]),
            ([], []),
            (lambda job: job.queue == "mailers", ["welcome"]),
            (lambda job: job.args == ["notify"], ["notify"]),
        ],
    )
    def test_only_and_its_opposite(
        self,
        only: type[Job] | FunctionJob[..., object] | str | Callable[[Job], object],
        runs: list[str],
    ) -> None:
        enqueue_three()
        assert perform_enqueued_jobs(only=only) == len(runs)
        assert ran == runs
        ran.clear()
        perform_enqueued_jobs()
        enqueue_three()
        ran.clear()
        assert perform_enqueued_jobs(exclude=only) == 3 - len(runs)
        assert set(ran) == {"welcome", "cleanup", "notify"} - set(runs)

    def test_not_both(self) -> None:
        with pytest.raises(ValueError, match="only or exclude, not both"):
            perform_enqueued_jobs(only=Welcome, exclude=Cleanup)

    def test_what_is_no_job_is_refused(self) -> None:
        with pytest.raises(TypeError, match="is no job"):
            perform_enqueued_jobs(only=dict)

    def test_queue(self) -> None:
        enqueue_three()
        assert perform_enqueued_jobs(queue="low") == 1
        assert ran == ["notify"]

    def test_at_leaves_out_what_is_due_later(self) -> None:
        moment = datetime(2030, 1, 1, tzinfo=UTC)
        Welcome.perform_later("no time")
        Welcome.perform_at(moment, "due")
        Welcome.perform_at(moment + timedelta(seconds=1), "later")
        assert perform_enqueued_jobs(at=moment) == 2
        assert ran == ["no time", "due"]

    def test_at_keeps_jobs_without_a_time_whatever_it_is(self) -> None:
        Welcome.perform_later("no time")
        Welcome.perform_in(1, "later")
        assert perform_enqueued_jobs(at=0) == 1
        assert ran == ["no time"]

    def test_all_must_hold(self) -> None:
        enqueue_three()
        assert perform_enqueued_jobs(only=Welcome, queue="low") == 0


class TestContextManager:
    def test_runs_each_job_as_it_is_enqueued_whatever_its_delay(self) -> None:
        with perform_enqueued_jobs():
            Welcome.perform_in(600, 1)
            assert ran == [1]
        assert [job.args for job in performed_jobs()] == [[1]]
        assert_no_enqueued()

    def test_runs_nested_jobs(self) -> None:
        with perform_enqueued_jobs():
            jobs.Chain.perform_later(2, 60)
        assert ran == [2, 1, 0]

    def test_leaves_alone_what_waited_before(self) -> None:
        Welcome.perform_later("before")
        with perform_enqueued_jobs():
            Welcome.perform_later("inside")
        assert ran == ["inside"]
        assert_enqueued(args=["before"])

    def test_records_again_behind_the_block_and_after_an_error(self) -> None:
        with pytest.raises(ZeroDivisionError), perform_enqueued_jobs():
            raise ZeroDivisionError
        Welcome.perform_later(1)
        assert ran == []

    def test_obeys_retry_rules_at_once(self) -> None:
        with perform_enqueued_jobs():
            jobs.Flaky.perform_later(3)
        assert ran == [1, 2, 3]
        assert_no_enqueued()

    def test_raises_the_error_of_an_exhausted_rule(self) -> None:
        with perform_enqueued_jobs(), pytest.raises(jobs.Temporary, match="run 3"):
            jobs.Flaky.perform_later()

    def test_raises_an_error_that_no_rule_names_after_it_was_recorded(self) -> None:
        with perform_enqueued_jobs(), pytest.raises(LookupError):
            jobs.Failing.perform_later()
        assert ran == [1]
        assert_enqueued(jobs.Failing)

    def test_records_what_is_filtered_out(self) -> None:
        with perform_enqueued_jobs(only=Welcome):
            enqueue_three()
        assert ran == ["welcome"]
        assert len(enqueued_jobs()) == 2

    def test_the_innermost_block_decides(self) -> None:
        with perform_enqueued_jobs(only=Welcome), perform_enqueued_jobs(only=Cleanup):
            enqueue_three()
        assert ran == ["cleanup"]

    def test_stops_a_job_that_always_asks_for_more_time(self) -> None:
        with perform_enqueued_jobs(), pytest.raises(RuntimeError, match=r"drain\(\) keeps them"):
            jobs.Endless.perform_later()

    def test_runs_what_other_threads_enqueue(self, fake: FakeAdapter) -> None:
        def enqueue() -> None:
            with use_adapter(fake):
                Welcome.perform_later(1)

        with perform_enqueued_jobs():
            thread = threading.Thread(target=enqueue)
            thread.start()
            thread.join()
        assert ran == [1]
