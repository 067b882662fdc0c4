"""`retry_on`, `discard_on` and `rescue_from`: which one an error meets, and what it does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from jobkit import DeserializationError, Job, RecordNotFound, discard_on, rescue_from, retry_on
from jobkit.handlers import DiscardRule, RetryRule, find
from jobkit.jobs.plan import plan_of
from jobkit.outcome import Buried, Discarded, Retried, Succeeded
from jobkit.testing import ManualClock
from tests.unit.core.support import Life

pytestmark = pytest.mark.usefixtures("no_jitter")


class Fails(Job):
    """Raises the next of the errors it is given, by their names."""

    errors: tuple[BaseException, ...] = ()

    def perform(self) -> None:
        raise self.errors[min(self.executions, len(self.errors)) - 1]


def first_delay(clock: ManualClock, job_class: Any) -> float:
    life = Life(clock, job_class)
    life.run()
    return life.delays[0]


def chained(*errors: BaseException) -> BaseException:
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


class TestSearch:
    @pytest.mark.behaviour("C3")
    def test_the_topmost_declaration_that_matches_wins(self, clock: ManualClock) -> None:
        @retry_on(LookupError, wait=1)
        @retry_on(KeyError, wait=2)
        class Above(Fails):
            errors = (KeyError(),)

        @retry_on(KeyError, wait=2)
        @retry_on(LookupError, wait=1)
        class Below(Fails):
            errors = (KeyError(),)

        assert [first_delay(clock, each) for each in (Above, Below)] == [1, 2]

    @pytest.mark.behaviour("C3")
    def test_a_rule_matches_subclasses_and_nothing_else(self, clock: ManualClock) -> None:
        @discard_on(LookupError)
        class Drops(Fails):
            errors = (ValueError(), KeyError())

        life = Life(clock, Drops)
        assert isinstance(life.run(), Retried)
        assert isinstance(life.run(), Discarded)

    def test_decorators_come_before_the_rescue_methods_of_the_class(
        self, clock: ManualClock
    ) -> None:
        @discard_on(KeyError)
        class Both(Fails):
            errors = (KeyError(), IndexError())

            @rescue_from(LookupError)
            def rescue(self, error: LookupError) -> None: ...

        assert isinstance(Life(clock, Both).run(), Discarded)

    def test_rescue_methods_are_searched_in_order_of_definition(self, clock: ManualClock) -> None:
        class Two(Fails):
            errors = (KeyError(),)

            @rescue_from(LookupError)
            def first(self, error: LookupError) -> str:
                return "first"

            @rescue_from(KeyError)
            def second(self, error: KeyError) -> str:
                return "second"

        assert Life(clock, Two).run() == Succeeded("first")

    @pytest.mark.behaviour("C3")
    def test_a_class_comes_before_its_base_and_inherits_what_it_does_not_name(
        self, clock: ManualClock
    ) -> None:
        @retry_on(KeyError, wait=1)
        @retry_on(ValueError, wait=1)
        class Parent(Fails):
            pass

        @retry_on(KeyError, wait=2)
        class Child(Parent):
            pass

        waits = []
        for cls in (Child, Parent):
            for error in (KeyError(), ValueError()):
                cls.errors = (error,)
                waits.append(first_delay(clock, cls))
        assert waits == [2, 1, 1, 1]

    @pytest.mark.behaviour("C3")
    def test_the_class_of_the_base_comes_before_the_cause_of_the_error(
        self, clock: ManualClock
    ) -> None:
        @retry_on(OSError, wait=1)
        class Parent(Fails):
            pass

        @retry_on(KeyError, wait=2)
        class Child(Parent):
            errors = (chained(OSError(), KeyError()),)

        assert first_delay(clock, Child) == 1

    @pytest.mark.behaviour("C3")
    def test_an_error_hidden_as_cause_is_found(self, clock: ManualClock) -> None:
        @discard_on(KeyError)
        class Drops(Fails):
            errors = (chained(RuntimeError(), ValueError(), KeyError("the cause")),)

        assert isinstance(Life(clock, Drops).run(), Discarded)

    @pytest.mark.behaviour("C3")
    def test_an_error_that_was_merely_being_handled_is_no_cause(self, clock: ManualClock) -> None:
        @discard_on(KeyError)
        class Drops(Job):
            def perform(self) -> None:
                try:
                    raise KeyError
                except KeyError:
                    raise ValueError("in its context") from None

        assert isinstance(Life(clock, Drops).run(), Retried)

    def test_a_chain_that_goes_round_ends(self) -> None:
        errors = [ValueError(str(n)) for n in range(3)]
        chained(*errors, errors[0])
        rules = [DiscardRule((KeyError,), None)]
        assert find(rules, errors[0]) is None

    @pytest.mark.behaviour("C3")
    def test_a_cause_a_thousand_deep_is_found(self) -> None:
        last = KeyError()
        first = chained(*(ValueError(str(n)) for n in range(1_000)), last)
        rule = DiscardRule((KeyError,), None)
        assert find([rule], first) == (rule, last)

    def test_any_exception_may_be_named(self, clock: ManualClock) -> None:
        @discard_on(SystemExit)
        class Exits(Fails):
            errors = (SystemExit(3),)

        assert isinstance(Life(clock, Exits).run(), Discarded)

    @pytest.mark.behaviour("B4")
    def test_a_record_that_is_gone_is_dropped_without_hiding_other_faults(
        self, clock: ManualClock
    ) -> None:
        @discard_on(RecordNotFound)
        class Finds(Fails):
            errors = (DeserializationError(), RecordNotFound())

        life = Life(clock, Finds)
        assert isinstance(life.run(), Retried)
        assert isinstance(life.run(), Discarded)


class TestRetryOn:
    @pytest.mark.behaviour("C1")
    def test_by_default_a_job_runs_five_times_in_all_three_seconds_apart(
        self, clock: ManualClock
    ) -> None:
        @retry_on(KeyError)
        class Retries(Fails):
            errors = (KeyError(),)

        life = Life(clock, Retries)
        assert isinstance(life.run_out(), Buried)
        assert life.delays == [3, 3, 3, 3]

    @pytest.mark.behaviour("C5")
    def test_by_default_there_is_a_jitter_of_15_percent(
        self, clock: ManualClock, full_jitter: None
    ) -> None:
        @retry_on(KeyError, wait=100)
        class Retries(Fails):
            errors = (KeyError(),)

        assert first_delay(clock, Retries) == pytest.approx(115)

    def test_attempts_counts_the_first_run(self, clock: ManualClock) -> None:
        @retry_on(KeyError, attempts=1)
        class Once(Fails):
            errors = (KeyError(),)

        assert isinstance(Life(clock, Once).run(), Buried)

    @pytest.mark.behaviour("C6")
    def test_without_a_number_attempts_have_no_end(self, clock: ManualClock) -> None:
        @retry_on(KeyError, attempts=None, wait="polynomially_longer")
        class Endless(Fails):
            errors = (KeyError(),)

        assert isinstance(Life(clock, Endless).run(300), Retried)

    @pytest.mark.behaviour("C2")
    def test_errors_named_together_share_a_counter(self, clock: ManualClock) -> None:
        @retry_on(KeyError, ValueError, attempts=3, wait="exponentially_longer")
        class Shares(Fails):
            errors = (KeyError(), ValueError(), KeyError())

        life = Life(clock, Shares)
        assert isinstance(life.run_out(), Buried)
        assert life.delays == [2, 4]

    @pytest.mark.behaviour("C2")
    def test_declarations_have_counters_of_their_own(self, clock: ManualClock) -> None:
        @retry_on(KeyError, attempts=3, wait="exponentially_longer")
        @retry_on(ValueError, attempts=3, wait="exponentially_longer")
        class Apart(Fails):
            errors = (KeyError(), ValueError(), KeyError(), ValueError(), KeyError())

        life = Life(clock, Apart)
        life.run(4)
        assert life.delays == [2, 2, 4, 4]
        assert life.payload.exception_executions == {
            "builtins.KeyError": 2,
            "builtins.ValueError": 2,
        }
        assert isinstance(life.run(), Buried)
        assert life.payload.exception_executions["builtins.KeyError"] == 3
        assert life.payload.executions == 5

    def test_the_key_of_a_counter_is_stable_and_qualified(self) -> None:
        class Inner(Exception):
            pass

        @retry_on(Inner, KeyError)
        class Retries(Fails):
            pass

        [rule] = plan_of(Retries).rules
        assert isinstance(rule, RetryRule)
        assert rule.key == (
            f"{__name__}.TestRetryOn.test_the_key_of_a_counter_is_stable_and_qualified.<locals>"
            ".Inner,builtins.KeyError"
        )

    @pytest.mark.behaviour("C9")
    def test_a_retry_may_move_to_another_queue_and_priority(self, clock: ManualClock) -> None:
        @retry_on(KeyError, queue="slow", priority=9)
        @retry_on(ValueError, priority=0)
        class Moves(Fails, queue="fast", priority=1):
            errors = (KeyError(), ValueError())

        life = Life(clock, Moves)
        life.run()
        assert (life.payload.queue, life.payload.priority) == ("slow", 9)
        life.run()
        assert (life.payload.queue, life.payload.priority) == ("slow", 0)

    @pytest.mark.behaviour("C9")
    def test_a_retry_is_the_same_job_once_more_and_its_instance_stays_as_it_was(
        self, clock: ManualClock
    ) -> None:
        seen: list[Any] = []

        @retry_on(KeyError, queue="slow", priority=9)
        class Retries(Job, queue="fast", priority=1):
            def perform(self, number: int) -> None:
                seen.append(self)
                raise KeyError

        life = Life(clock, Retries, 5)
        first = life.payload
        life.run(2)
        assert (life.payload.id, life.payload.args) == (first.id, first.args)
        assert (first.executions, life.payload.executions) == (0, 2)
        assert [(job.id, job.executions) for job in seen] == [(first.id, 1), (first.id, 2)]
        assert [(job.queue, job.priority) for job in seen] == [("fast", 1), ("slow", 9)]

    @pytest.mark.parametrize("answer", ["soon", None, [1], 10**400])
    def test_a_wait_that_makes_no_sense_is_reported_and_the_policys_used(
        self, clock: ManualClock, answer: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        @retry_on(KeyError, wait=lambda failures: answer)
        class Retries(Fails):
            errors = (KeyError(),)

        assert first_delay(clock, Retries) == 15
        assert "wait raised" in caplog.text

    def test_a_wait_that_raises_is_reported_and_the_policys_used(self, clock: ManualClock) -> None:
        @retry_on(KeyError, wait=lambda failures: 1 // 0)
        class Retries(Fails):
            errors = (KeyError(),)

        life = Life(clock, Retries)
        life.run(2)
        assert life.delays == [15, 16]

    @pytest.mark.behaviour("C1", "C7")
    def test_an_exhausted_rule_does_not_go_on_to_the_policy(self, clock: ManualClock) -> None:
        @retry_on(KeyError, attempts=2)
        class Retries(Fails, retry=25):
            errors = (KeyError(),)

        assert isinstance(Life(clock, Retries).run(2), Buried)

    @pytest.mark.behaviour("C7")
    def test_on_exhausted_ends_the_job(self, clock: ManualClock) -> None:
        told: list[tuple[Any, BaseException]] = []

        @retry_on(KeyError, attempts=2, on_exhausted=lambda job, error: told.append((job, error)))
        class Retries(Fails):
            errors = (KeyError("why"),)

        life = Life(clock, Retries)
        assert life.run(2) == Discarded("'why'")
        [(job, error)] = told
        assert (job.id, job.executions, error) == (life.payload.id, 2, Retries.errors[0])

    def test_an_on_exhausted_that_raises_is_reported_and_the_job_buried(
        self, clock: ManualClock
    ) -> None:
        def fail(job: Any, error: BaseException) -> None:
            raise SystemExit

        @retry_on(KeyError, attempts=1, on_exhausted=fail)
        class Retries(Fails):
            errors = (KeyError(),)

        assert isinstance(Life(clock, Retries).run(), Buried)


class TestDiscardOn:
    @pytest.mark.behaviour("C8")
    def test_the_job_is_dropped_and_its_reason_kept(self, clock: ManualClock) -> None:
        @discard_on(KeyError)
        class Drops(Fails):
            errors = (KeyError("gone"),)

        assert Life(clock, Drops).run() == Discarded("'gone'")

    def test_a_reason_without_words_is_the_errors_class(self, clock: ManualClock) -> None:
        @discard_on(ValueError)
        class Drops(Fails):
            errors = (ValueError(),)

        assert Life(clock, Drops).run() == Discarded("ValueError")

    @pytest.mark.behaviour("C8")
    def test_its_handler_is_told_of_the_error_that_matched(self, clock: ManualClock) -> None:
        told: list[BaseException] = []
        cause = KeyError()

        @discard_on(KeyError, handler=lambda job, error: told.append(error))
        class Drops(Fails):
            errors = (chained(RuntimeError(), cause),)

        Life(clock, Drops).run()
        assert told == [cause]

    def test_a_handler_that_raises_changes_nothing(self, clock: ManualClock) -> None:
        @discard_on(KeyError, handler=lambda job, error: 1 // 0)
        class Drops(Fails):
            errors = (KeyError("gone"),)

        assert Life(clock, Drops).run() == Discarded("'gone'")


class TestRescueFrom:
    def test_returning_means_handled(self, clock: ManualClock) -> None:
        class Rescued(Fails):
            errors = (KeyError("lost"),)

            @rescue_from(KeyError)
            def rescue(self, error: KeyError) -> str:
                return f"found {error.args[0]}"

        assert Life(clock, Rescued).run() == Succeeded("found lost")

    def test_raising_follows_the_policy(self, clock: ManualClock) -> None:
        @discard_on(ZeroDivisionError)
        class Rescued(Fails):
            errors = (KeyError(),)

            @rescue_from(Exception)
            def rescue(self, error: Exception) -> None:
                raise ZeroDivisionError("and not this method again, nor a rule")

        outcome = Life(clock, Rescued).run()
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert outcome.failure.error_class == "ZeroDivisionError"

    def test_an_override_by_name_takes_its_place(self, clock: ManualClock) -> None:
        class Parent(Fails):
            errors = (KeyError(),)

            @rescue_from(KeyError)
            def rescue(self, error: KeyError) -> str:
                return "parent"

        class Child(Parent):
            def rescue(self, error: KeyError) -> str:
                return "child"

        assert Life(clock, Child).run() == Succeeded("child")
