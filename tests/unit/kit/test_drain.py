"""drain: time passes as in life, only faster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobkit import Job, Middleware, middleware, retry_on
from jobkit.inspection import inspect
from jobkit.payload import Payload
from jobkit_inline import (
    FakeAdapter,
    assert_enqueued,
    assert_no_enqueued,
    drain,
    enqueued_jobs,
    use_adapter,
)
from jobkit_inline import fake as module
from tests.unit.kit import jobs
from tests.unit.kit.conftest import Stopped
from tests.unit.kit.jobs import Cleanup, Welcome, ran

DAY = 86_400

pytestmark = [pytest.mark.behaviour("K1"), pytest.mark.usefixtures("fake")]


@pytest.mark.behaviour("K3")
def test_runs_until_nothing_is_left() -> None:
    jobs.Chain.perform_later(3)
    Welcome.perform_in(3600, "later")
    assert drain() == 5
    assert ran == [3, 2, 1, 0, "later"]
    assert enqueued_jobs() == []


def test_runs_nothing_when_nothing_waits() -> None:
    assert drain() == 0


def test_jobs_run_in_the_order_they_fall_due() -> None:
    for delay in (30, 10, 20):
        Welcome.perform_in(delay, delay)
    drain()
    assert ran == [10, 20, 30]


def test_what_is_due_at_once_runs_by_priority_then_age() -> None:
    Welcome.perform_later("first")
    Cleanup.perform_later("second")
    Cleanup.set(priority=-1).perform_later("urgent")
    drain()
    assert ran == ["urgent", "first", "second"]


def test_jobs_enqueued_by_jobs_count_from_the_virtual_now() -> None:
    jobs.Chain.perform_in(100, 1, 50)  # 100, 150
    Welcome.perform_in(120, "between")
    drain()
    assert ran == [1, "between", 0]


def test_an_expiry_counts_from_the_virtual_now() -> None:
    Welcome.perform_in(30 * DAY, "much later")
    drain()
    Welcome.set(expires_in=60).perform_later("in time")
    assert drain() == 1


def test_a_job_expires_as_time_passes() -> None:
    @retry_on(jobs.Temporary, wait=60)
    class Brief(Job, name="Brief", expires_in=30):
        def perform(self) -> None:
            ran.append("brief")
            raise jobs.Temporary

    Brief.perform_later()
    assert drain() == 1
    assert_no_enqueued()


def test_rules_retry_at_their_times_until_they_are_exhausted() -> None:
    with use_adapter(FakeAdapter(clock=Stopped(1_000.0))) as fake:
        flaky = jobs.Flaky.perform_later()
        assert drain() == 3
        assert fake.now() == 1_120
        found = inspect().find(flaky.id)
    assert found is not None
    assert (found.state, found.error_message) == ("dead", "run 3")


def test_the_default_policy_takes_its_20_days() -> None:
    with use_adapter(FakeAdapter(clock=Stopped(1_000.0))) as fake:
        failing = jobs.Failing.perform_later()
        assert drain() == 26
        assert 20 * DAY < fake.now() < 22 * DAY
        found = inspect().find(failing.id)
    assert found is not None
    assert found.state == "dead"


@pytest.mark.behaviour("D6")
def test_enqueue_middleware_runs_at_the_enqueue_and_not_when_a_job_falls_due() -> None:
    class Counts(Middleware):
        def enqueue(
            self, payload: Payload, call_next: Callable[[Payload], Payload | None]
        ) -> Payload | None:
            ran.append(f"enqueue {payload.job_class}")
            return call_next(payload)

    middleware.add(Counts())
    Welcome.perform_in(3600, "delayed")
    jobs.Flaky.perform_later(3)
    jobs.Saying.perform_later("snooze")
    assert drain() == 6
    assert [each for each in ran if str(each).startswith("enqueue")] == [
        "enqueue Welcome",
        "enqueue Flaky",
        "enqueue Saying",
    ]


def test_hooks_run_as_in_life() -> None:
    jobs.Exhausting.perform_later()
    assert drain() == 3
    assert ran == ["exhausted"]


@pytest.mark.parametrize(
    ("what", "runs"), [("retry", 2), ("snooze", 2), ("discard", 1), ("bury", 1)]
)
def test_what_a_job_says_happens(what: str, runs: int) -> None:
    jobs.Saying.perform_later(what)
    assert drain() == runs
    assert inspect().stats().dead == (what == "bury")


class TestUntil:
    def test_what_is_due_later_goes_on_waiting(self) -> None:
        moment = datetime(2030, 1, 1, tzinfo=UTC)
        Welcome.perform_at(moment, "due")
        Welcome.perform_at(moment + timedelta(seconds=1), "later")
        assert drain(until=moment) == 1
        assert ran == ["due"]
        assert_enqueued(args=["later"])

    def test_epoch_seconds_and_timedeltas_are_taken_too(self) -> None:
        with use_adapter(FakeAdapter(clock=Stopped(1_000.0))):
            for at in (1_100, 1_200, 1_300):
                Welcome.perform_at(at, at)
            assert drain(until=1_100) == 1
            assert drain(until=timedelta(seconds=100)) == 1
            assert ran == [1_100, 1_200]

    def test_the_time_is_that_moment_in_the_end(self) -> None:
        with use_adapter(FakeAdapter(clock=Stopped(1_000.0))) as fake:
            drain(until=5_000)
            assert fake.now() == 5_000
            drain(until=2_000)
            assert fake.now() == 5_000

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="has no time zone"):
            drain(until=datetime(2030, 1, 1))  # noqa: DTZ001

    def test_a_job_that_always_comes_back_is_stopped_by_it(self) -> None:
        with use_adapter(FakeAdapter(clock=Stopped(1_000.0))):
            jobs.Endless.perform_later()
            assert drain(until=1_010) == 11


class TestErrors:
    @pytest.mark.parametrize("raises", [LookupError, SystemExit, GeneratorExit, MemoryError])
    def test_failures_are_not_raised(self, raises: type[BaseException]) -> None:
        class Leaving(Job, name="Leaving", retry=0):
            def perform(self) -> None:
                raise raises

        Leaving.perform_later()
        assert drain() == 1
        assert inspect().stats().dead == 1

    @pytest.mark.parametrize("raises", [KeyboardInterrupt, pytest.fail.Exception])
    def test_what_is_meant_for_the_test_run_is(self, raises: type[BaseException]) -> None:
        class Interrupting(Job, name="Interrupting"):
            def perform(self) -> None:
                raise raises

        Interrupting.perform_later()
        with pytest.raises(raises):
            drain()
        assert_enqueued(Interrupting)

    def test_what_never_ends_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_DRAINED", 100)
        jobs.Endless.perform_later()
        with pytest.raises(RuntimeError, match="after 100 runs there are jobs left"):
            drain()
