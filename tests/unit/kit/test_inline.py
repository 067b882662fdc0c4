"""InlineAdapter: an enqueue runs the job at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jobkit import (
    Job,
    Middleware,
    after_discard,
    events,
    middleware,
    perform_all_later,
    retry_on,
)
from jobkit.inspection import inspect
from jobkit.payload import Payload
from jobkit_inline import InlineAdapter, clear_jobs, performed_jobs, use_adapter
from tests.unit.kit import jobs
from tests.unit.kit.jobs import ran

pytestmark = pytest.mark.usefixtures("inline")


class TestRunning:
    def test_an_enqueue_runs_the_job_before_it_returns(self) -> None:
        enqueued = jobs.Welcome.perform_later(1)
        assert ran == [1]
        assert enqueued.successfully_enqueued

    def test_a_function_runs_too(self) -> None:
        jobs.notify.perform_later("hello")
        assert ran == ["hello"]

    def test_delays_are_ignored(self) -> None:
        jobs.Welcome.perform_in(3600, 1)
        assert ran == [1]

    def test_arguments_make_their_way_through_json(self) -> None:
        users = [1, 2]
        jobs.Welcome.perform_later(users)
        assert ran == [users]
        assert ran[0] is not users
        when = datetime(2030, 1, 1, tzinfo=UTC)
        jobs.Appointment.perform_later(when)
        assert ran[1] == when

    def test_what_cannot_be_stored_is_refused_as_on_any_store(self) -> None:
        with pytest.raises(ValueError, match="cannot be stored"):
            jobs.Welcome.perform_later(object())

    def test_jobs_enqueued_by_jobs_run_within_them(self) -> None:
        jobs.Chain.perform_later(2, 60)
        assert ran == [2, 1, 0]

    def test_many_run_in_order(self) -> None:
        perform_all_later([jobs.Welcome.new(1), jobs.Cleanup.new(2), jobs.Welcome.new(3)])
        assert ran == [1, 2, 3]

    def test_a_payload_may_come_without_an_id(self, inline: InlineAdapter) -> None:
        inline.enqueue([Payload('{"class":"Welcome","args":[7]}')])
        assert ran == [7]

    def test_a_job_enqueued_within_itself_under_its_own_key_is_the_same_job(self) -> None:
        @retry_on(jobs.Temporary)
        class Once(Job, name="Once"):
            def perform(self) -> None:
                ran.append(self.executions)
                Once.set(idempotency_key="k").perform_later()
                if self.executions == 1:
                    raise jobs.Temporary

        Once.set(idempotency_key="k").perform_later()
        assert ran == [1, 2]


class TestFailing:
    @pytest.mark.behaviour("K5")
    def test_an_error_that_no_rule_names_is_raised_after_one_run(self) -> None:
        with pytest.raises(LookupError, match="no rule names this"):
            jobs.Failing.perform_later()
        assert ran == [1]

    @pytest.mark.behaviour("K5")
    def test_a_retry_rule_runs_the_job_again_at_once(self) -> None:
        jobs.Flaky.perform_later(2)
        assert ran == [1, 2]

    @pytest.mark.behaviour("K5")
    def test_its_error_is_raised_when_its_attempts_are_used_up(self) -> None:
        with pytest.raises(jobs.Temporary, match="run 3"):
            jobs.Flaky.perform_later()
        assert ran == [1, 2, 3]

    @pytest.mark.behaviour("K5")
    @pytest.mark.parametrize("retry", [0, 2, True])
    def test_the_class_policy_neither_retries_nor_is_exhausted(self, retry: bool | int) -> None:
        class Exhausting(jobs.Exhausting, name="InlineExhausting", retry=retry): ...

        with pytest.raises(LookupError):
            Exhausting.perform_later()
        assert ran == []
        assert len(performed_jobs()) == 1

    @pytest.mark.behaviour("K5")
    def test_a_job_whose_error_is_raised_has_ended_for_good(self) -> None:
        class Mourned(jobs.Failing, name="Mourned"):
            @after_discard
            def mourn(self, error: BaseException) -> None:
                ran.append(type(error))

        seen: list[events.Event] = []
        events.subscribe(seen.append)
        with pytest.raises(LookupError):
            Mourned.perform_later()
        assert ran == [1, LookupError]
        assert [event.name for event in seen] == ["perform_start", "discard", "perform"]

    def test_a_discard_rule_ends_it_quietly(self) -> None:
        jobs.Unwanted.perform_later()
        assert ran == ["unwanted"]

    @pytest.mark.parametrize(
        ("what", "runs"), [("retry", 2), ("snooze", 2), ("discard", 1), ("bury", 1)]
    )
    def test_what_the_job_says_itself_is_no_error(self, what: str, runs: int) -> None:
        jobs.Saying.perform_later(what)
        assert ran == [what] * runs

    def test_a_job_that_always_asks_for_more_time_is_stopped(self) -> None:
        with pytest.raises(RuntimeError, match="asked 1000 times in a row"):
            jobs.Endless.perform_later()

    def test_the_jobs_behind_one_that_raises_do_not_run(self) -> None:
        with pytest.raises(LookupError):
            perform_all_later([jobs.Failing.new(), jobs.Welcome.new(1)])
        assert ran == [1]  # the run of Failing
        assert inspect().stats().enqueued == 0

    @pytest.mark.parametrize("raises", [KeyboardInterrupt, SystemExit])
    def test_errors_beyond_exception_are_raised_too(self, raises: type[BaseException]) -> None:
        class Leaving(Job, name="Leaving"):
            def perform(self) -> None:
                raise raises

        with pytest.raises(raises):
            Leaving.perform_later()

    def test_nothing_is_left_in_the_store(self) -> None:
        for enqueue in (jobs.Failing.perform_later, jobs.Flaky.perform_later):
            with pytest.raises((LookupError, jobs.Temporary)):
                enqueue()
        stats = inspect().stats()
        assert (stats.dead, stats.retry, stats.enqueued, stats.running) == (0, 0, 0, 0)
        assert (stats.processed, stats.failed) == (4, 4)

    def test_a_class_that_cannot_be_made_says_so_and_leaves_nothing(self) -> None:
        class Unmade(Job, name="Unmade"):
            broken = False

            def __init__(self) -> None:
                if Unmade.broken:
                    raise OSError("cannot be made")

            def perform(self) -> None: ...

        unmade = Unmade.new()
        Unmade.broken = True
        with pytest.raises(OSError, match="cannot be made"):
            perform_all_later([unmade])
        assert inspect().find(unmade.id) is None


class TestAroundIt:
    @pytest.mark.behaviour("K5")
    def test_enqueue_and_perform_middleware_run(self) -> None:
        class Both(Middleware):
            def enqueue(
                self, payload: Payload, call_next: Callable[[Payload], Payload | None]
            ) -> Payload | None:
                ran.append("enqueue")
                return call_next(payload)

            def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
                ran.append("perform")
                return call_next()

        middleware.add(Both())
        jobs.Welcome.perform_later(1)
        assert ran == ["enqueue", "perform", 1]

    @pytest.mark.behaviour("A15")
    def test_events_are_told_as_by_a_worker(self, inline: InlineAdapter) -> None:
        seen: list[events.Event] = []
        events.subscribe(seen.append)
        jobs.Flaky.perform_later(2)
        assert [event.name for event in seen] == [
            "perform_start",
            "retry_scheduled",
            "perform",
            "perform_start",
            "perform",
            "enqueue",
        ]
        assert {event.adapter for event in seen} == {inline}

    def test_inspection_sees_the_running_job(self) -> None:
        class Looking(Job, name="Looking"):
            def perform(self) -> None:
                found = inspect().find(self.id)
                ran.append(found.state if found else None)

        Looking.perform_later()
        assert ran == ["running"]

    def test_runs_are_remembered_until_they_are_cleared(self) -> None:
        jobs.Welcome.perform_later(1)
        assert [job.args for job in performed_jobs()] == [[1]]
        clear_jobs()
        assert performed_jobs() == []

    def test_no_more_than_the_last_1000_runs_are_remembered(self) -> None:
        jobs.Cleanup.perform_bulk((n,) for n in range(1_001))
        assert [performed_jobs()[0].args, len(performed_jobs())] == [[1], 1_000]


class TestCoroutines:
    def test_they_run_from_ordinary_code_nested_ones_too(self) -> None:
        jobs.Later.perform_later()
        assert ran == ["later", "nested"]

    def test_they_run_inside_a_loop(self) -> None:
        async def main() -> None:
            jobs.Later.perform_later()
            await jobs.Later.aperform_later(True)

        asyncio.run(main())
        assert ran == ["later", "nested", "nested"]

    def test_an_adapter_in_use_is_in_use_within_them(self) -> None:
        with use_adapter(InlineAdapter()) as inner:
            jobs.Later.perform_later()
        assert len(inner.performed()) == 2
