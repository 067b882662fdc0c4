"""Callbacks and middleware around a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

import jobkit
from jobkit import (
    Abort,
    Job,
    Middleware,
    after_perform,
    around_perform,
    before_perform,
    middleware,
)
from jobkit.outcome import Buried, Retried, Succeeded
from jobkit.testing import ManualClock
from tests.unit.core.support import Life


class Traced(Job):
    log: ClassVar[list[str]] = []

    @before_perform
    def before(self) -> None:
        self.log.append("before")

    @around_perform
    def around(self) -> Iterator[None]:
        self.log.append("in")
        try:
            yield
        finally:
            self.log.append("out")

    @after_perform
    def after(self) -> None:
        self.log.append("after")

    def perform(self, error: str = "") -> str:
        self.log.append("perform")
        if error:
            raise RuntimeError(error)
        return "done"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(Traced, "log", calls)
    return calls


class TestCallbacks:
    @pytest.mark.behaviour("A7")
    def test_their_order(self, clock: ManualClock, log: list[str]) -> None:
        Life(clock, Traced).run()
        assert log == ["before", "in", "perform", "out", "after"]

    @pytest.mark.behaviour("A7")
    def test_an_error_of_the_body_passes_the_around_callbacks_and_skips_after(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        assert isinstance(Life(clock, Traced, "oops").run(), Retried)
        assert log == ["before", "in", "perform", "out"]

    @pytest.mark.behaviour("A6")
    def test_an_abort_before_skips_the_body_and_counts_as_done(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        class Stops(Traced):
            @before_perform
            def stop(self) -> None:
                raise Abort

        assert Life(clock, Stops).run() == Succeeded(halted=True)
        assert log == ["before"]

    def test_an_error_of_a_callback_is_a_failure_of_the_job(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        class Broken(Traced):
            @before_perform
            def fail(self) -> None:
                raise KeyError

        assert isinstance(Life(clock, Broken).run(), Retried)

    def test_an_around_callback_may_catch_the_error_of_the_body(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        class Catches(Traced):
            @around_perform
            def catch(self) -> Iterator[None]:
                try:
                    yield
                except RuntimeError:
                    self.log.append("caught")

        assert Life(clock, Catches, "oops").run() == Succeeded(None)
        assert log == ["before", "in", "perform", "caught", "out"]

    def test_an_around_callback_may_raise_another_error_instead(self, clock: ManualClock) -> None:
        class Translates(Job, retry=0):
            @around_perform
            def translate(self) -> Iterator[None]:
                try:
                    yield
                except RuntimeError as error:
                    raise KeyError("translated") from error

            def perform(self) -> None:
                raise RuntimeError

        outcome = Life(clock, Translates).run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.error_class == "KeyError"

    @pytest.mark.parametrize("yields", [0, 2])
    def test_an_around_callback_yields_once(self, clock: ManualClock, yields: int) -> None:
        class Wrong(Job, retry=0):
            @around_perform
            def around(self) -> Iterator[None]:
                for _ in range(yields):
                    yield

            def perform(self) -> None: ...

        outcome = Life(clock, Wrong).run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.error_class == "RuntimeError"


class Outer(Middleware):
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
        self.log.append(f"into {type(self).__name__}")
        try:
            return call_next()
        finally:
            self.log.append(f"out of {type(self).__name__}")


class Inner(Outer):
    pass


class TestMiddleware:
    @pytest.mark.behaviour("A7", "D5")
    def test_it_runs_outside_of_the_callbacks_outermost_first(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        middleware.add(Outer(log))
        middleware.add(Inner(log))
        assert Life(clock, Traced).run() == Succeeded("done")
        assert log[:3] == ["into Outer", "into Inner", "before"]
        assert log[-3:] == ["after", "out of Inner", "out of Outer"]

    @pytest.mark.behaviour("D5")
    def test_one_that_does_not_call_on_stops_the_job_which_counts_as_done(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        class Stops(Middleware):
            def perform(self, job: Any, call_next: Callable[[], Any]) -> str:
                return "stopped"

        middleware.add(Stops())
        assert Life(clock, Traced).run() == Succeeded("stopped")
        assert not log

    def test_it_sees_the_error_of_the_body_and_its_own_is_a_failure(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        seen: list[BaseException] = []

        class Watches(Middleware):
            def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
                try:
                    return call_next()
                except RuntimeError as error:
                    seen.append(error)
                    raise KeyError from error

        middleware.add(Watches())
        outcome = Life(clock, Traced, "oops").run()
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert outcome.failure.error_class == "KeyError"
        assert str(seen[0]) == "oops"

    def test_it_gets_the_job(self, clock: ManualClock, log: list[str]) -> None:
        seen: list[Any] = []

        class Watches(Middleware):
            def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
                seen.append((type(job), job.executions, job is jobkit.current_job()))
                return call_next()

        middleware.add(Watches())
        Life(clock, Traced).run()
        assert seen == [(Traced, 1, True)]

    def test_it_may_call_on_with_the_job_as_around_an_enqueue_with_the_payload(
        self, clock: ManualClock, log: list[str]
    ) -> None:
        class Handing(Outer):
            def perform(self, job: Any, call_next: Callable[..., Any]) -> Any:
                return call_next(job)

        middleware.add(Handing(log))
        middleware.add(Inner(log))
        assert Life(clock, Traced).run() == Succeeded("done")
        assert "into Inner" in log
