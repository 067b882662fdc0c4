"""Running a job in place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import jobkit
from jobkit import (
    Abort,
    BuryJob,
    DiscardJob,
    Interrupted,
    Job,
    Middleware,
    RetryJob,
    SerializationError,
    SnoozeJob,
    after_discard,
    around_perform,
    backends,
    before_enqueue,
    before_perform,
    discard_on,
    middleware,
    rescue_from,
    retry_on,
)
from jobkit.adapter import State
from jobkit.testing import ManualClock
from tests.unit.core.support import Store, raising

pytestmark = pytest.mark.usefixtures("no_jitter")


class Add(Job):
    def perform(self, one: int, *, other: int = 0) -> int:
        return one + other


class AddLater(Job):
    async def perform(self, one: int, other: int = 0) -> int:
        await asyncio.sleep(0)
        return one + other


class TestResult:
    @pytest.mark.behaviour("A1")
    def test_it_is_what_perform_returned(self, store: Store) -> None:
        assert Add.perform_now(1, other=2) == 3
        assert Add.set(queue="low", wait=60).perform_now(1) == 1
        assert store.calls == 0

    @pytest.mark.behaviour("A1")
    def test_of_a_coroutine_it_is_the_awaited_value(self) -> None:
        assert AddLater.perform_now(1, 2) == 3

    def test_within_a_loop_it_is_refused_and_the_other_verb_named(self) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError, match=r"use `await aperform_now\(\.\.\.\)`"):
                AddLater.perform_now(1)
            assert Add.perform_now(1) == 1
            assert await AddLater.aperform_now(1, 2) == 3
            assert await AddLater.set(queue="low").aperform_now(4) == 4
            assert await Add.aperform_now(1, other=1) == 2

        asyncio.run(main())

    def test_beside_a_loop_the_body_runs_on_it(self) -> None:
        loops: list[object] = []

        class Asks(Job):
            async def perform(self) -> None:
                loops.append(asyncio.get_running_loop())

        async def main() -> None:
            await Asks.aperform_now()
            assert loops == [asyncio.get_running_loop()]

        asyncio.run(main())

    def test_no_store_is_needed(self) -> None:
        jobkit.configure(url="nonsense://nowhere")
        assert Add.perform_now(1) == 1


class TestLikeAWorker:
    def test_arguments_are_checked(self) -> None:
        wrong: Any = "x"
        with pytest.raises(SerializationError):
            Add.perform_now(wrong)
        with pytest.raises(TypeError, match="missing a required argument"):
            Add.perform_now()  # type: ignore[call-arg] # that is the test

    @pytest.mark.behaviour("E4")
    def test_the_body_gets_copies_of_the_arguments(self, store: Store) -> None:
        @retry_on(RuntimeError)
        class Spoils(Job):
            def perform(self, items: Any) -> None:
                items.append(2)
                raise RuntimeError

        mine = [1]
        Spoils.perform_now(mine)
        assert mine == [1]
        assert store.only.args == [[1]]

    def test_it_is_the_first_execution_of_the_current_job(self) -> None:
        class Asks(Job):
            def perform(self) -> tuple[int, bool]:
                return self.executions, jobkit.current_job() is self

        assert Asks.perform_now() == (1, True)
        assert jobkit.current_job() is None

    def test_a_job_within_a_job_is_the_current_one_only_there(self) -> None:
        class Outer(Job):
            def perform(self) -> bool:
                Add.perform_now(1)
                return jobkit.current_job() is self

        assert Outer.perform_now()

    def test_callbacks_and_middleware_of_perform_run_and_those_of_enqueue_do_not(self) -> None:
        log: list[str] = []

        class Around(Middleware):
            def perform(self, job: Any, call_next: Any) -> Any:
                log.append("middleware")
                return call_next()

            def enqueue(self, payload: Any, call_next: Any) -> Any:
                log.append("wrong")

        class Traced(Job):
            @before_enqueue
            def enqueued(self) -> None:
                log.append("wrong")

            @around_perform
            def around(self) -> Iterator[None]:
                log.append("in")
                yield
                log.append("out")

            def perform(self) -> None: ...

        middleware.add(Around())
        Traced.perform_now()
        assert log == ["middleware", "in", "out"]

    @pytest.mark.behaviour("A6")
    def test_an_abort_gives_none(self) -> None:
        class Stops(Job):
            @before_perform
            def stop(self) -> None:
                raise Abort

            def perform(self) -> int:
                return 5

        assert Stops.perform_now() is None


class TestRules:
    @pytest.mark.behaviour("C9")
    def test_a_rule_that_retries_enqueues_and_gives_none(self, store: Store) -> None:
        @retry_on(KeyError, wait=60, queue="slow")
        class Retries(Job, queue="fast"):
            def perform(self, number: int) -> None:
                raise KeyError

        assert Retries.set(priority=5).perform_now(3) is None
        payload = store.only
        assert payload.args == [3]
        assert (payload.queue, payload.priority) == ("slow", 5)
        assert (payload.executions, payload.retry_count) == (1, 0)
        assert payload.exception_executions == {"builtins.KeyError": 1}
        assert payload.scheduled_at == store.now() + 60
        assert store.jobs(State.SCHEDULED).items

    def test_retry_and_snooze_asked_for_enqueue_too(self, store: Store) -> None:
        assert raising(RetryJob(wait=60)).perform_now() is None
        assert raising(SnoozeJob(120)).perform_now() is None
        retried, snoozed = store.stored
        assert (retried.scheduled_at, retried.executions) == (store.now() + 60, 1)
        assert (snoozed.scheduled_at, snoozed.executions) == (store.now() + 120, 0)

    def test_the_retry_goes_to_the_backend_of_the_call(self, clock: ManualClock) -> None:
        other = Store(clock=clock)
        backends.install("other", other)
        try:
            raising(RetryJob(wait=60)).set(backend="other").perform_now()
        finally:
            backends.uninstall("other")
        assert len(other.stored) == 1

    def test_a_discarded_job_gives_none(self, store: Store) -> None:
        told: list[BaseException] = []

        @discard_on(KeyError)
        class Drops(Job):
            def perform(self) -> None:
                raise KeyError

            @after_discard
            def tell(self, error: BaseException) -> None:
                told.append(error)

        assert Drops.perform_now() is None
        assert raising(DiscardJob()).perform_now() is None
        assert len(told) == 1
        assert store.calls == 0

    def test_a_rescued_job_gives_what_the_method_returned(self) -> None:
        class Rescued(Job):
            def perform(self) -> str:
                raise KeyError

            @rescue_from(KeyError)
            def rescue(self, error: KeyError) -> str:
                return "rescued"

        assert Rescued.perform_now() == "rescued"

    def test_an_error_no_rule_names_propagates_and_the_policy_is_not_asked(
        self, store: Store
    ) -> None:
        told: list[str] = []
        error = KeyError()

        class Fails(Job, retry_in=lambda *_: told.append("asked")):
            def perform(self) -> None:
                raise error

            @after_discard
            def tell(self, error: BaseException) -> None:
                told.append("after_discard")

        with pytest.raises(KeyError) as caught:
            Fails.perform_now()
        assert caught.value is error
        assert told == ["after_discard"]
        assert store.calls == 0

    def test_the_error_of_a_rescue_method_propagates_instead(self) -> None:
        class Rescued(Job):
            def perform(self) -> None:
                raise KeyError("first")

            @rescue_from(KeyError)
            def rescue(self, error: KeyError) -> None:
                raise ValueError("second") from error

        with pytest.raises(ValueError, match="second"):
            Rescued.perform_now()

    def test_the_error_of_an_exhausted_rule_propagates_unless_it_has_a_handler(self) -> None:
        @retry_on(KeyError, attempts=1)
        class Fails(Job):
            def perform(self) -> None:
                raise KeyError

        @retry_on(KeyError, attempts=1, on_exhausted=lambda job, error: None)
        class Handled(Job):
            def perform(self) -> None:
                raise KeyError

        with pytest.raises(KeyError):
            Fails.perform_now()
        assert Handled.perform_now() is None

    @pytest.mark.parametrize("error", [BuryJob("why"), Interrupted()], ids=repr)
    def test_what_only_a_worker_can_do_propagates(self, error: BaseException) -> None:
        with pytest.raises(type(error)):
            raising(error).perform_now()

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
    def test_what_is_meant_for_the_program_passes_every_rule(self, error: BaseException) -> None:
        @discard_on(BaseException)
        class Stops(raising(error)):  # type: ignore[misc] # made at run time
            pass

        with pytest.raises(type(error)):
            Stops.perform_now()
