"""One run: its context, its callbacks and middleware, coroutines, expiry, fresh arguments."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

import jobkit
from jobkit import (
    Job,
    PayloadError,
    before_perform,
)
from jobkit.execution import execute, stop_signal
from jobkit.jobs import run_of
from jobkit.outcome import Buried, Discarded, Retried, Succeeded
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, outcome_of, stored_form

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


class Done(Job):
    def perform(self) -> str:
        return "done"


class TestResult:
    def test_what_perform_returns_is_kept(self, clock: ManualClock) -> None:
        assert Life(clock, Done).run() == Succeeded("done")

    def test_a_coroutine_is_awaited(self, clock: ManualClock) -> None:
        class Waits(Job):
            async def perform(self, number: int) -> int:
                await asyncio.sleep(0)
                return number * 2

        assert Life(clock, Waits, 4).run() == Succeeded(8)

    def test_an_error_of_a_coroutine_is_a_failure_like_any_other(self, clock: ManualClock) -> None:
        class Waits(Job, retry=0):
            async def perform(self) -> None:
                await asyncio.sleep(0)
                raise KeyError("late")

        outcome = Life(clock, Waits).run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.message == "'late'"

    def test_arguments_arrive_as_they_were_given(self, clock: ManualClock) -> None:
        seen: list[Any] = []

        class Takes(Job):
            def perform(self, *args: Any, **kwargs: Any) -> None:
                seen.append((args, kwargs, self.args, self.kwargs))

        Life(clock, Takes, 1, {"a": [None]}, b=2).run()
        assert seen == [((1, {"a": [None]}), {"b": 2}, [1, {"a": [None]}], {"b": 2})]

    @pytest.mark.behaviour("E4")
    def test_arguments_changed_by_the_body_do_not_change_a_retry(self, clock: ManualClock) -> None:
        class Spoils(Job):
            def perform(self, items: Any, *, more: Any) -> None:
                assert (items, more) == ([1], {"a": [1]})
                items.append(2)
                more["a"].clear()
                raise RuntimeError

        life = Life(clock, Spoils, [1], more={"a": [1]})
        life.run(3)
        assert (life.payload.args, life.payload.kwargs) == ([[1]], {"more": {"a": [1]}})

    def test_the_arguments_are_loaded_once_a_run(self, clock: ManualClock) -> None:
        loads: list[int] = []

        class Record:
            pass

        def load(key: int) -> Record:
            loads.append(key)
            return Record()

        jobkit.register_serializer(Record, dump=lambda record: 5, load=load)

        class Takes(Job):
            def perform(self, record: Record) -> None:
                assert self.args[0] is record

        Life(clock, Takes, Record()).run()
        assert loads == [5]


class TestContext:
    def test_the_running_job_is_known_within_and_not_outside(self, clock: ManualClock) -> None:
        seen: list[Any] = []

        class Asks(Job):
            def perform(self) -> None:
                seen.append(jobkit.current_job() is self)

        Life(clock, Asks).run()
        assert seen == [True]
        assert jobkit.current_job() is None

    def test_it_is_known_in_coroutines_and_functions(self, clock: ManualClock) -> None:
        seen: list[Any] = []

        @jobkit.job
        async def asks() -> None:
            await asyncio.sleep(0)
            job = jobkit.current_job()
            assert job is not None
            seen.append(job.executions)

        Life(clock, asks).run()
        assert seen == [1]

    def test_what_one_run_sets_the_next_does_not_see(self, clock: ManualClock) -> None:
        seen: list[str] = []

        class Sets(Job):
            def perform(self) -> None:
                seen.append(tenant.get())
                tenant.set("somebody")

        Life(clock, Sets).run()
        Life(clock, Sets).run()
        assert seen == ["nobody", "nobody"]
        assert tenant.get() == "nobody"

    def test_what_a_callback_sets_the_body_sees(self, clock: ManualClock) -> None:
        class Sets(Job):
            @before_perform
            def enter(self) -> None:
                tenant.set("somebody")

            def perform(self) -> str:
                return tenant.get()

        assert Life(clock, Sets).run() == Succeeded("somebody")

    def test_threads_run_jobs_beside_each_other(self) -> None:
        barrier = threading.Barrier(4, timeout=40)

        class Meets(Job):
            def perform(self, number: int) -> int:
                barrier.wait()
                job = jobkit.current_job()
                assert job is not None
                return int(job.args[0]) - number

        outcomes: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda payload: outcomes.append(outcome_of(payload, ManualClock())),
                args=(stored_form(Meets, number),),
            )
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [Succeeded(0)] * 4

    def test_a_job_can_ask_whether_its_worker_stops(self, clock: ManualClock) -> None:
        class Asks(Job):
            def perform(self) -> tuple[bool, bool]:
                return self.stopping, jobkit.stopping()

        stopping = False
        token = stop_signal.set(lambda: stopping)
        try:
            assert Life(clock, Asks).run() == Succeeded((False, False))
            stopping = True
            assert Life(clock, Asks).run() == Succeeded((True, True))
        finally:
            stop_signal.reset(token)


class TestExpiry:
    def test_a_job_not_started_in_time_is_dropped(self, clock: ManualClock) -> None:
        class Expires(Done, expires_in=60):
            pass

        life = Life(clock, Expires)
        clock.advance(60)
        assert life.run() == Discarded("expired before it was started")

    def test_a_retry_that_comes_too_late_is_dropped_like_a_first_run(
        self, clock: ManualClock
    ) -> None:
        class Expires(Job, expires_in=60, retry_in=lambda executions, error: 100):
            def perform(self) -> None:
                raise ValueError

        life = Life(clock, Expires)
        assert isinstance(life.run(), Retried)
        assert life.run() == Discarded("expired before it was started")

    def test_a_retry_that_comes_in_time_runs(self, clock: ManualClock) -> None:
        class Expires(Job, expires_in=300, retry_in=lambda executions, error: 100):
            def perform(self) -> None:
                raise ValueError

        life = Life(clock, Expires)
        assert isinstance(life.run(times=2), Retried)

    def test_a_job_started_in_time_runs(self, clock: ManualClock) -> None:
        class Expires(Done, expires_in=60):
            pass

        life = Life(clock, Expires)
        clock.advance(59.9)
        assert life.run() == Succeeded("done")


class TestMalformed:
    def test_a_payload_without_a_class_is_a_payload_error(self, clock: ManualClock) -> None:
        with pytest.raises(PayloadError):
            run_of(Payload("{}"))

    @pytest.mark.parametrize(
        "field", ['"scheduled_at":1e300', '"queue":5', '"tags":5,"priority":"x"', '"jid":null']
    )
    def test_so_is_one_with_a_field_of_the_wrong_shape(self, field: str) -> None:
        with pytest.raises(PayloadError):
            run_of(Payload(f'{{"class":"{__name__}.Done",{field}}}'))

    def test_the_execution_itself_raises_nothing_else(self, clock: ManualClock) -> None:
        payload = stored_form(Done).replace(exception_executions="text")
        payload = payload.replace(args=[1, 2, 3])
        with pytest.raises(PayloadError):
            execute(run_of(payload), clock=clock, wait_for=asyncio.run)
