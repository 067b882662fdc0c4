"""The rules of assert_enqueued and its relatives: the table under Testing in the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobkit import Job, Unsupported, enqueue
from jobkit_inline import (
    InlineAdapter,
    MemoryAdapter,
    assert_enqueued,
    assert_no_enqueued,
    assert_no_performed,
    assert_performed,
    drain,
    perform_enqueued_jobs,
    use_adapter,
)
from tests.unit.kit import jobs
from tests.unit.kit.jobs import Cleanup, Welcome, notify

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)

pytestmark = [pytest.mark.behaviour("K1"), pytest.mark.usefixtures("fake")]
fails = pytest.raises(AssertionError)


class TestWhatMatches:
    def test_any_job_without_criteria(self) -> None:
        with pytest.raises(AssertionError):
            assert_enqueued()
        Welcome.perform_later(1)
        assert_enqueued()

    def test_the_class(self) -> None:
        Welcome.perform_later(1)
        assert_enqueued(Welcome)
        assert_no_enqueued(Cleanup)

    def test_a_function_job(self) -> None:
        assert_no_enqueued(notify)
        notify.perform_later("hello")
        assert_enqueued(notify, args=["hello"], queue="low")

    def test_a_name_of_a_class_that_is_elsewhere(self) -> None:
        enqueue("billing.Charge", args=[1])
        assert_enqueued("billing.Charge", args=[1])

    def test_a_job_under_a_former_name(self) -> None:
        class Renamed(Job, name="Renamed", aliases=["Former"]):
            def perform(self) -> None: ...

        enqueue("Former")
        assert_enqueued(Renamed)

    def test_a_predicate_of_the_class(self) -> None:
        Welcome.perform_later(1)
        assert_enqueued(lambda job_class: job_class is Welcome)
        assert_no_enqueued(lambda job_class: job_class is Cleanup)

    def test_not_a_subclass(self) -> None:
        class Special(Welcome, name="Special"): ...

        Special.perform_later(1)
        assert_no_enqueued(Welcome)

    @pytest.mark.parametrize("nonsense", [dict, 7])
    def test_what_is_no_job_is_refused(self, nonsense: object) -> None:
        with pytest.raises(TypeError, match="is no job: give a job class"):
            assert_no_enqueued(nonsense)  # type: ignore[arg-type]

    def test_positional_arguments_as_lists(self) -> None:
        Welcome.perform_later(1)
        assert_enqueued(args=[1])
        assert_enqueued(args=(1,))
        assert_no_enqueued(args=[2])
        assert_no_enqueued(args=[])

    def test_arguments_after_loading(self) -> None:
        jobs.Appointment.perform_later(NOON)
        assert_enqueued(args=[NOON])
        assert_enqueued(args=lambda args: args[0].year == 2030)
        assert_no_enqueued(args=["2030-01-01T12:00:00Z"])

    def test_arguments_as_stored_where_they_cannot_be_loaded(self) -> None:
        enqueue("Appointment", args=["whenever"], kwargs={})
        enqueue("Welcome", kwargs={"gone": 1})
        assert_enqueued(jobs.Appointment, args=["whenever"])
        assert_enqueued(Welcome, kwargs={"gone": 1})

    def test_keyword_arguments(self) -> None:
        Welcome.perform_later(1, locale="de")
        assert_enqueued(kwargs={"locale": "de"})
        assert_no_enqueued(kwargs={})

    def test_the_queue(self) -> None:
        Welcome.perform_later(1)
        assert_enqueued(queue="mailers")
        assert_no_enqueued(queue="default")

    def test_the_priority(self) -> None:
        Welcome.set(priority=-5).perform_later(1)
        assert_enqueued(priority=-5)
        assert_no_enqueued(priority=0)

    @pytest.mark.parametrize("seconds", [-1, -0.5, 0, 1])
    def test_the_time_within_one_second(self, seconds: float) -> None:
        Welcome.perform_at(NOON)
        assert_enqueued(at=NOON + timedelta(seconds=seconds))
        assert_enqueued(at=NOON.timestamp() + seconds)

    @pytest.mark.parametrize("seconds", [-1.01, 1.01])
    def test_the_time_no_further_off(self, seconds: float) -> None:
        Welcome.perform_at(NOON)
        assert_no_enqueued(at=NOON + timedelta(seconds=seconds))

    def test_a_job_without_a_time_has_none_of_any(self) -> None:
        Welcome.perform_later(1)
        assert_no_enqueued(at=datetime.now(UTC))
        assert_enqueued(at=lambda at: at is None)

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="has no time zone"):
            assert_no_enqueued(at=datetime(2030, 1, 1))  # noqa: DTZ001

    def test_each_value_may_be_a_predicate(self) -> None:
        Welcome.set(priority=3, wait_until=NOON).perform_later(1, locale="de")
        assert_enqueued(
            args=lambda args: len(args) == 1,
            kwargs=lambda kwargs: "locale" in kwargs,
            queue=lambda queue: queue.startswith("mail"),
            at=lambda at: at > datetime.now(UTC),
            priority=lambda priority: priority > 0,
        )
        assert_no_enqueued(queue=lambda queue: queue.startswith("low"))

    def test_all_that_is_given_must_hold_of_one_job(self) -> None:
        Welcome.perform_later(1)
        Welcome.set(queue="low").perform_later(2)
        assert_no_enqueued(Welcome, args=[1], queue="low")


class TestHowMany:
    def test_at_least_one_without_count(self) -> None:
        for _ in range(2):
            Welcome.perform_later(1)
        assert_enqueued(Welcome)

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_exactly_as_many_as_count(self, count: int) -> None:
        for _ in range(2):
            Welcome.perform_later(1)
        Cleanup.perform_later()
        assert_enqueued(Welcome, count=2)
        with fails:
            assert_enqueued(Welcome, count=count)

    def test_none_if_count_is_zero(self) -> None:
        assert_enqueued(Welcome, count=0)


class TestWhatCountsAsEnqueued:
    def test_delayed_jobs(self) -> None:
        Welcome.perform_in(3600, 1)
        assert_enqueued(Welcome)

    def test_retried_jobs_with_their_new_time(self) -> None:
        wait, before = timedelta(seconds=60), datetime.now(UTC)
        jobs.Flaky.perform_later()
        perform_enqueued_jobs()
        latest = datetime.now(UTC) + wait
        assert_enqueued(jobs.Flaky, at=lambda at: before + wait <= at <= latest)

    def test_no_job_that_ran_or_is_dead(self) -> None:
        Welcome.perform_later(1)
        jobs.Failing.perform_later()
        drain()
        assert_no_enqueued()


class TestWhatCountsAsPerformed:
    def test_every_run_whatever_its_outcome(self) -> None:
        for job in (jobs.Welcome, jobs.Unwanted, jobs.Flaky):
            job.perform_later()
        drain()
        assert_performed(Welcome)
        assert_performed(jobs.Unwanted)
        assert_performed(jobs.Flaky, count=3)

    def test_no_job_that_only_waits(self) -> None:
        Welcome.perform_later(1)
        assert_no_performed(Welcome)

    def test_no_job_that_expired_before_it_started(self) -> None:
        Welcome.perform_in(60, 1)
        Cleanup.set(expires_in=1e-6).perform_later()
        assert drain() == 1
        assert_no_performed(Cleanup)
        assert_performed(Welcome)

    def test_the_runs_of_an_inline_adapter(self) -> None:
        with use_adapter(InlineAdapter()):
            Welcome.perform_later(1)
            assert_performed(Welcome, args=[1])
            with assert_no_performed(Welcome):
                Cleanup.perform_later()


class TestWhatComesBack:
    def test_the_first_match_as_an_instance(self) -> None:
        Cleanup.perform_later()
        first = Welcome.perform_later(1, locale="de")
        Welcome.perform_later(2)
        job = assert_enqueued(Welcome)
        assert isinstance(job, Welcome)
        assert (job.id, job.args, job.kwargs) == (first.id, [1], {"locale": "de"})
        assert (job.queue, job.executions) == ("mailers", 0)

    def test_a_run_with_its_number(self) -> None:
        jobs.Flaky.perform_later()
        drain()
        job = assert_performed(jobs.Flaky)
        assert isinstance(job, jobs.Flaky)
        assert job.executions == 1


class TestBlocks:
    def test_a_block_looks_only_at_what_it_enqueued(self) -> None:
        Welcome.perform_later(1)
        with fails, assert_enqueued(Welcome):
            Cleanup.perform_later()
        with assert_enqueued(Welcome, args=[2]), assert_no_enqueued(Welcome, args=[1]):
            Welcome.perform_later(2)

    def test_count_counts_within_the_block(self) -> None:
        Welcome.perform_later(1)
        with assert_enqueued(Welcome, count=1):
            Welcome.perform_later(1)

    def test_a_repeated_idempotency_key_is_not_enqueued_again(self) -> None:
        once = Welcome.set(idempotency_key="once")
        once.perform_later(1)
        with assert_no_enqueued(Welcome):
            once.perform_later(1)

    def test_a_retry_inside_is_enqueued_inside(self) -> None:
        jobs.Flaky.perform_later()
        with assert_enqueued(jobs.Flaky):
            perform_enqueued_jobs()

    def test_a_block_looks_only_at_what_it_performed(self) -> None:
        Welcome.perform_later(1)
        drain()
        with fails, assert_performed(Welcome):
            pass
        Welcome.perform_later(2)
        with assert_performed(Welcome, args=[2]), assert_no_performed(Welcome, args=[1]):
            drain()

    def test_its_match_is_like_the_job_behind_it(self) -> None:
        with assert_enqueued(Welcome) as job:
            enqueued = Welcome.perform_later(1)
            with pytest.raises(AttributeError, match="the block has not ended"):
                _ = job.args
        assert (job.id, job.args) == (enqueued.id, [1])

    def test_an_error_inside_is_not_hidden_by_a_failure(self) -> None:
        with pytest.raises(LookupError), assert_enqueued(Welcome):
            raise LookupError

    def test_blocks_nest(self) -> None:
        with assert_enqueued(Welcome, count=2):
            Welcome.perform_later(1)
            with assert_enqueued(Welcome, count=1):
                Welcome.perform_later(2)


class TestWhereTheyWork:
    def test_waiting_jobs_need_the_fake(self) -> None:
        with use_adapter(InlineAdapter()):
            for assertion in (assert_enqueued, assert_no_enqueued):
                with pytest.raises(
                    Unsupported, match=r"InlineAdapter .*none waits; use assert_perf"
                ):
                    assertion(Welcome)

    def test_another_adapter_is_named_with_the_remedy(self) -> None:
        with use_adapter(MemoryAdapter()):
            for assertion in (
                assert_enqueued,
                assert_no_enqueued,
                assert_performed,
                assert_no_performed,
            ):
                with pytest.raises(Unsupported, match=r"MemoryAdapter .*have the test use the fix"):
                    assertion(Welcome)
