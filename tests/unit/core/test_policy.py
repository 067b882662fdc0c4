"""What becomes of an error that no rule names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobkit import BURY, DEFAULT, DISCARD, Job, on_exhausted, retry_on
from jobkit.backoff import LONGEST
from jobkit.outcome import Buried, Discarded, Dropped, Retried
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from tests.unit.core.support import Heard, Life, outcome_of, stored_form

pytestmark = pytest.mark.usefixtures("no_jitter")


def failing(**options: Any) -> type[Job]:
    class Fails(Job, **options):
        def perform(self) -> None:
            raise RuntimeError("again")

    return Fails


class TestRetry:
    def test_by_default_there_are_25_retries_and_then_the_dead_set(
        self, clock: ManualClock
    ) -> None:
        life = Life(clock, failing())
        assert isinstance(life.run_out(), Buried)
        assert life.delays == [count**4 + 15 for count in range(25)]
        assert life.payload.executions == 26

    def test_the_delays_have_the_policys_jitter(
        self, clock: ManualClock, full_jitter: None
    ) -> None:
        life = Life(clock, failing())
        life.run(3)
        assert life.delays == [15 + 10, 16 + 20, 31 + 30]

    @pytest.mark.behaviour("C13")
    @pytest.mark.parametrize("retries", [1, 2, 5, 30])
    def test_a_number_is_a_number_of_retries(self, clock: ManualClock, retries: int) -> None:
        life = Life(clock, failing(retry=retries))
        assert isinstance(life.run_out(), Buried)
        assert len(life.delays) == retries

    @pytest.mark.behaviour("C13")
    def test_none_means_straight_to_the_dead_set(self, clock: ManualClock) -> None:
        assert isinstance(Life(clock, failing(retry=0)).run(), Buried)

    @pytest.mark.behaviour("C13")
    def test_false_means_gone_and_the_exhausted_method_is_not_asked(
        self, clock: ManualClock
    ) -> None:
        asked: list[BaseException] = []

        class Once(failing(retry=False)):  # type: ignore[misc] # a class made at run time
            @on_exhausted
            def ask(self, error: BaseException) -> None:
                asked.append(error)

        assert isinstance(Life(clock, Once).run(), Dropped)
        assert not asked

    @pytest.mark.behaviour("C17")
    def test_without_a_dead_set_an_exhausted_job_is_gone(self, clock: ManualClock) -> None:
        assert isinstance(Life(clock, failing(retry=0, dead=False)).run(), Dropped)

    @pytest.mark.behaviour("C13")
    @pytest.mark.parametrize(
        ("of_class", "of_payload", "runs", "end"),
        [
            (True, 1, 2, Buried),
            (True, 0, 1, Buried),
            (True, False, 1, Dropped),
            (0, False, 1, Dropped),
            (False, 0, 1, Buried),
            (1, True, 26, Buried),
            (5, 2, 3, Buried),
        ],
    )
    def test_what_the_payload_says_wins_over_the_class(
        self, clock: ManualClock, of_class: Any, of_payload: Any, runs: int, end: type[object]
    ) -> None:
        life = Life(clock, failing(retry=of_class))
        life.payload = life.payload.replace(retry=of_payload)
        assert isinstance(life.run_out(), end)
        assert len(life.outcomes) == runs

    def test_a_payload_that_says_nothing_follows_the_class(self, clock: ManualClock) -> None:
        life = Life(clock, failing(retry=2))
        life.payload = life.payload.replace(retry=None)
        life.run_out()
        assert len(life.delays) == 2

    def test_failures_of_declared_rules_do_not_count(self, clock: ManualClock) -> None:
        @retry_on(KeyError, attempts=4)
        class Mixed(Job, retry=1):
            def perform(self) -> None:
                raise KeyError if self.executions in (1, 3, 4) else RuntimeError

        life = Life(clock, Mixed)
        assert isinstance(life.run_out(), Buried)
        assert life.delays == [3, 15, 3, 3]

    @pytest.mark.behaviour("B5")
    def test_an_unknown_class_follows_the_default_policy(self, clock: ManualClock) -> None:
        outcome = outcome_of(Payload('{"class":"no.Such","jid":"x","args":[1]}'), clock)
        assert isinstance(outcome, Retried)
        assert outcome.delay == 15
        assert outcome.failure is not None
        assert outcome.failure.error_class == "jobkit.errors.UnknownJob"

    @pytest.mark.parametrize("name", ["", "a\nb", "x" * 300, "\ud800"])
    def test_so_does_one_whose_name_no_class_could_have(
        self, clock: ManualClock, name: str
    ) -> None:
        assert isinstance(outcome_of(Payload.of({"class": name, "retry": 0}), clock), Buried)

    def test_retries_are_told(self, clock: ManualClock, heard: Heard) -> None:
        life = Life(clock, failing(retry=1))
        life.run_out()
        assert heard.names == ["retry_stopped"]
        assert isinstance(heard.only("retry_stopped").error, RuntimeError)


class TestRetryFor:
    @pytest.mark.behaviour("C13")
    def test_age_is_what_counts_not_the_number(self, clock: ManualClock) -> None:
        life = Life(clock, failing(retry_for=timedelta(hours=1), retry_in=lambda *_: 60, retry=0))
        assert isinstance(life.run_out(), Buried)
        assert len(life.delays) == 60

    @pytest.mark.behaviour("C13")
    def test_the_age_is_that_of_the_first_failure(self, clock: ManualClock) -> None:
        life = Life(clock, failing(retry_for=3_600))
        clock.advance(10_000)
        assert isinstance(life.run(), Retried)
        clock.advance(3_600)
        assert isinstance(life.run(), Buried)

    def test_a_dead_job_that_is_run_again_has_its_time_anew(self, clock: ManualClock) -> None:
        life = Life(clock, failing(retry_for=60))
        life.run()
        clock.advance(60)
        life.run()
        fresh = life.payload.replace(retry_count=None, exception_executions=None, deliveries=None)
        assert isinstance(outcome_of(fresh, clock), Retried)


def asked_for(clock: ManualClock, answer: Callable[[], Any], **options: Any) -> Any:
    return Life(clock, failing(retry_in=lambda executions, error: answer(), **options)).run()


class TestRetryIn:
    @pytest.mark.behaviour("C14")
    @pytest.mark.parametrize("answer", [5, 5.0, timedelta(seconds=5)])
    def test_a_duration_is_the_delay(self, clock: ManualClock, answer: Any) -> None:
        assert asked_for(clock, lambda: answer).delay == 5

    def test_the_policys_jitter_is_added(self, clock: ManualClock, full_jitter: None) -> None:
        assert asked_for(clock, lambda: 5).delay == 15

    @pytest.mark.behaviour("C14")
    @pytest.mark.parametrize("answer", [DEFAULT, None, 0, -5, timedelta(-1), float("nan"), False])
    def test_nothing_means_the_default(self, clock: ManualClock, answer: Any) -> None:
        assert asked_for(clock, lambda: answer).delay == 15

    def test_a_huge_answer_is_ten_years(self, clock: ManualClock) -> None:
        assert asked_for(clock, lambda: float("inf")).delay == LONGEST

    @pytest.mark.behaviour("C14")
    @pytest.mark.parametrize("answer", ["soon", [5], object(), 10**400])
    def test_nonsense_is_reported_and_the_default_used(
        self, clock: ManualClock, answer: Any, heard: Heard
    ) -> None:
        assert asked_for(clock, lambda: answer).delay == 15
        assert heard.only("hook_error").data == {"where": "retry_in"}

    @pytest.mark.behaviour("C14")
    @pytest.mark.parametrize("error", [KeyError("x"), SystemExit(1), RecursionError()])
    def test_raising_is_reported_and_the_default_used(
        self, clock: ManualClock, error: BaseException, heard: Heard
    ) -> None:
        def answer() -> None:
            raise error

        assert asked_for(clock, answer).delay == 15
        assert heard.only("hook_error").error is error

    @pytest.mark.behaviour("C15")
    def test_discard_drops_the_job(self, clock: ManualClock) -> None:
        assert asked_for(clock, lambda: DISCARD) == Discarded("again")

    @pytest.mark.behaviour("C15")
    def test_bury_sets_it_aside_at_once(self, clock: ManualClock) -> None:
        assert isinstance(asked_for(clock, lambda: BURY), Buried)

    def test_it_is_asked_with_executions_and_error(self, clock: ManualClock) -> None:
        asked: list[tuple[int, str]] = []

        def retry_in(executions: int, error: BaseException) -> float:
            asked.append((executions, str(error)))
            return executions * 10

        life = Life(clock, failing(retry_in=retry_in, retry=3))
        life.run_out()
        assert asked == [(1, "again"), (2, "again"), (3, "again")]
        assert life.delays == [10, 20, 30]


def test_a_job_that_is_run_again_after_its_death_has_a_fresh_budget(clock: ManualClock) -> None:
    life = Life(clock, failing(retry=2))
    life.run_out()
    fresh = life.payload.replace(retry_count=None, exception_executions=None, deliveries=None)
    assert isinstance(outcome_of(fresh, clock), Retried)
    assert fresh.executions == 3


def test_an_instance_says_which_run_it_is(clock: ManualClock) -> None:
    runs: list[int] = []

    class Counts(Job, retry=2):
        def perform(self) -> None:
            runs.append(self.executions)
            raise RuntimeError

    assert Counts.new().executions == 0
    assert stored_form(Counts).executions == 0
    Life(clock, Counts).run_out()
    assert runs == [1, 2, 3]
