"""The hooks of a job that ended without success, and of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jobkit
from jobkit import (
    BURY,
    DISCARD,
    BuryJob,
    DiscardJob,
    Job,
    Middleware,
    after_discard,
    discard_on,
    middleware,
    on_exhausted,
    rescue_from,
    retry_on,
)
from jobkit.execution import buried
from jobkit.jobs import run_of
from jobkit.outcome import Buried, Dropped, Succeeded
from jobkit.testing import ManualClock
from tests.unit.core.support import Heard, Life, stored_form

pytestmark = pytest.mark.usefixtures("no_jitter")


@pytest.fixture
def told() -> list[str]:
    """What the program's handlers and the class's hooks were told, in order."""
    calls: list[str] = []
    jobkit.on_error(lambda job, error: calls.append("on_error"))
    jobkit.on_death(lambda job, error: calls.append("on_death"))
    return calls


def hooked(told: list[str], error: BaseException | None, **options: Any) -> type[Job]:
    class Hooked(Job, **options):
        def perform(self) -> None:
            if error is not None:
                raise error

        @on_exhausted
        def exhausted(self, error: BaseException) -> Any:
            told.append("on_exhausted")

        @after_discard
        def discarded(self, error: BaseException) -> None:
            told.append("after_discard")

    return Hooked


ENDS = ["on_exhausted", "on_error", "on_death", "after_discard"]


class TestWhoIsTold:
    @pytest.mark.behaviour("C7", "C8", "C13", "C15", "C16", "C17")
    @pytest.mark.parametrize(
        ("declare", "error", "options", "expected"),
        [
            (None, None, {}, []),
            (None, KeyError(), {}, ["on_error"]),
            (None, KeyError(), {"retry": 0}, ENDS),
            (None, KeyError(), {"retry": 0, "dead": False}, ENDS),
            (None, KeyError(), {"retry": False}, ENDS[1:]),
            (None, KeyError(), {"retry_in": lambda *_: BURY}, ENDS),
            (None, KeyError(), {"retry_in": lambda *_: DISCARD}, ["on_death", "after_discard"]),
            (None, DiscardJob(), {}, ["after_discard"]),
            (None, BuryJob(), {}, ENDS[1:]),
            (discard_on(KeyError), KeyError(), {}, ["after_discard"]),
            (retry_on(KeyError), KeyError(), {}, ["on_error"]),
            (retry_on(KeyError, attempts=1), KeyError(), {}, ENDS),
            (
                retry_on(KeyError, attempts=1, on_exhausted=lambda job, error: None),
                KeyError(),
                {},
                ["on_error", "after_discard"],
            ),
        ],
    )
    def test_each_hook_runs_once_where_it_should(
        self,
        *,
        clock: ManualClock,
        told: list[str],
        declare: Callable[[Any], Any] | None,
        error: BaseException | None,
        options: dict[str, Any],
        expected: list[str],
    ) -> None:
        job_class = hooked(told, error, **options)
        Life(clock, declare(job_class) if declare else job_class).run()
        assert told == expected

    @pytest.mark.behaviour("C7", "C16")
    def test_over_a_whole_life_after_discard_runs_once(
        self, clock: ManualClock, told: list[str]
    ) -> None:
        Life(clock, hooked(told, KeyError(), retry=3)).run_out()
        assert told == ["on_error"] * 3 + ENDS

    def test_a_rescued_job_ends_well(self, clock: ManualClock, told: list[str]) -> None:
        class Rescued(hooked(told, KeyError(), retry=0)):  # type: ignore[misc] # made at run time
            @rescue_from(KeyError)
            def rescue(self, error: KeyError) -> None: ...

        assert Life(clock, Rescued).run() == Succeeded()
        assert not told

    def test_an_expired_job_is_discarded_once(self, clock: ManualClock, told: list[str]) -> None:
        life = Life(clock, hooked(told, None, expires_in=60))
        clock.advance(60)
        life.run()
        assert told == ["after_discard"]

    def test_a_job_that_brought_its_workers_down_ends_like_an_exhausted_one(
        self, clock: ManualClock, told: list[str]
    ) -> None:
        run = run_of(stored_form(hooked(told, None)))
        assert isinstance(buried(run, jobkit.WorkerLost("3 times"), clock.time()), Buried)
        assert told == ENDS

    @pytest.mark.behaviour("C16")
    def test_hooks_get_the_job_and_the_error(self, clock: ManualClock) -> None:
        seen: list[tuple[Any, BaseException]] = []
        jobkit.on_error(lambda job, error: seen.append((job, error)))
        jobkit.on_death(lambda job, error: seen.append((job, error)))
        error = KeyError("why")

        class Fails(Job, retry=0):
            def perform(self, number: int) -> None:
                raise error

            @on_exhausted
            def exhausted(self, error: BaseException) -> None:
                seen.append((self, error))

            @after_discard
            def discarded(self, error: BaseException) -> None:
                seen.append((self, error))

        Life(clock, Fails, 5).run()
        assert len(seen) == 4
        assert all(isinstance(job, Fails) and job.args == [5] for job, _ in seen)
        assert all(given is error for _, given in seen)

    def test_middleware_is_told_too(self, clock: ManualClock) -> None:
        told: list[str] = []

        class Reports(Middleware):
            def on_error(self, job: Any, error: BaseException) -> None:
                told.append("on_error")

            def on_death(self, job: Any, error: BaseException) -> None:
                told.append("on_death")

        middleware.add(Reports())
        Life(clock, hooked([], KeyError(), retry=0)).run()
        assert told == ["on_error", "on_death"]


class TestExhausted:
    def test_discard_skips_the_dead_set_and_nothing_else(
        self, clock: ManualClock, told: list[str]
    ) -> None:
        class Forgets(hooked(told, KeyError(), retry=0)):  # type: ignore[misc] # made at run time
            @on_exhausted
            def forget(self, error: BaseException) -> object:
                return DISCARD

        assert isinstance(Life(clock, Forgets).run(), Dropped)
        assert told == ENDS

    @pytest.mark.parametrize("answer", [None, True, BURY, "discard"])
    def test_any_other_answer_changes_nothing(self, clock: ManualClock, answer: object) -> None:
        class Answers(Job, retry=0):
            def perform(self) -> None:
                raise KeyError

            @on_exhausted
            def answer(self, error: BaseException) -> object:
                return answer

        assert isinstance(Life(clock, Answers).run(), Buried)

    def test_bases_are_told_first_and_of_discards_last(self, clock: ManualClock) -> None:
        told: list[str] = []

        class Parent(Job, retry=0):
            def perform(self) -> None:
                raise KeyError

            @on_exhausted
            def exhausted_parent(self, error: BaseException) -> None:
                told.append("exhausted parent")

            @after_discard
            def discarded_parent(self, error: BaseException) -> None:
                told.append("discarded parent")

        class Child(Parent):
            @on_exhausted
            def exhausted_child(self, error: BaseException) -> None:
                told.append("exhausted child")

            @after_discard
            def discarded_child(self, error: BaseException) -> None:
                told.append("discarded child")

        Life(clock, Child).run()
        assert told == [
            "exhausted parent",
            "exhausted child",
            "discarded child",
            "discarded parent",
        ]


class TestIsolation:
    @pytest.mark.behaviour("C19")
    @pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1), RecursionError()])
    def test_a_hook_that_raises_is_reported_and_the_next_is_told(
        self, clock: ManualClock, told: list[str], heard: Heard, error: BaseException
    ) -> None:
        def fail(job: object, failure: BaseException) -> None:
            raise error

        for register in (jobkit.on_error, jobkit.on_death):
            register(fail)
        jobkit.on_death(lambda job, error: told.append("on_death again"))

        class Broken(hooked(told, KeyError(), retry=0)):  # type: ignore[misc] # made at run time
            @on_exhausted
            def first(self, failure: BaseException) -> None:
                raise error

            @after_discard
            def last(self, failure: BaseException) -> None:
                raise error

        assert isinstance(Life(clock, Broken).run(), Buried)
        assert told == [*ENDS[:3], "on_death again", "after_discard"]
        reported = [event.data["where"] for event in heard.events if event.name == "hook_error"]
        assert reported == ["first", "on_error", "on_death", "last"]

    def test_a_subscriber_that_raises_changes_nothing(self, clock: ManualClock) -> None:
        @jobkit.events.subscribe
        def fail(event: object) -> None:
            raise RuntimeError

        assert isinstance(Life(clock, hooked([], KeyError(), retry=0)).run(), Buried)
