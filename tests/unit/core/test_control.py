"""Errors by which a job says itself what should happen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobkit import (
    BuryJob,
    DiscardJob,
    Interrupted,
    Job,
    RetryJob,
    SnoozeJob,
    after_discard,
    before_perform,
    discard_on,
    on_exhausted,
    rescue_from,
    retry_on,
)
from jobkit.adapter import Ack, Bury, Release, Requeue, State, Tally
from jobkit.backoff import LONGEST
from jobkit.outcome import Buried, Discarded, Released, Retried, Snoozed
from jobkit.testing import ManualClock
from tests.unit.core.support import Heard, Life, outcome_of, raising, stored_form

pytestmark = pytest.mark.usefixtures("no_jitter")


class TestRetryJob:
    @pytest.mark.parametrize("wait", [60, 60.0, timedelta(minutes=1)])
    def test_the_job_runs_again_after_the_wait(self, clock: ManualClock, wait: Any) -> None:
        life = Life(clock, raising(RetryJob(wait=wait)))
        assert life.run() == Retried(60, None, {})
        [settlement] = life.settlements
        assert isinstance(settlement, Requeue)
        assert (settlement.state, settlement.tally) == (State.RETRY, Tally.PROCESSED)

    def test_a_run_is_counted_but_no_failure(self, clock: ManualClock) -> None:
        life = Life(clock, raising(RetryJob(wait=0)))
        life.run(3)
        assert life.payload.executions == 3
        assert life.payload.retry_count is None
        assert not {"failed_at", "error_class", "history"} & {*life.payload.fields}

    def test_it_has_no_limit(self, clock: ManualClock) -> None:
        assert isinstance(Life(clock, raising(RetryJob(wait=1))).run(100), Retried)

    def test_without_a_wait_the_policys_is_used(self, clock: ManualClock) -> None:
        life = Life(clock, raising(RetryJob()))
        life.run(3)
        assert life.delays == [15, 16, 31]

    def test_no_wait_means_at_once(self, clock: ManualClock) -> None:
        life = Life(clock, raising(RetryJob(wait=0)))
        life.run()
        [settlement] = life.settlements
        assert isinstance(settlement, Requeue)
        assert settlement.state is State.ENQUEUED

    def test_it_may_move_the_job(self, clock: ManualClock) -> None:
        life = Life(clock, raising(RetryJob(wait=1, queue="slow", priority=5)))
        life.run()
        assert (life.payload.queue, life.payload.priority) == ("slow", 5)

    @pytest.mark.parametrize("wait", ["soon", [1], 10**400])
    def test_a_wait_that_makes_no_sense_is_reported_and_the_policys_used(
        self, clock: ManualClock, wait: Any, heard: Heard
    ) -> None:
        for error in (RetryJob(wait=wait), SnoozeJob(wait)):
            life = Life(clock, raising(error))
            life.run()
            assert life.delays == [15]
        assert heard.names == ["hook_error"] * 2

    @pytest.mark.parametrize(("queue", "priority"), [("a b", "high"), (5, 1.5), ("", [])])
    def test_a_place_that_no_store_has_is_reported_and_the_job_stays(
        self, clock: ManualClock, queue: Any, priority: Any, heard: Heard
    ) -> None:
        outcome = Life(clock, raising(RetryJob(1, queue, priority))).run()
        assert outcome == Retried(1, None, {})
        assert heard.names == ["hook_error"] * 2

    @pytest.mark.parametrize(("wait", "delay"), [(-5, 0), (float("inf"), LONGEST)])
    def test_waits_are_brought_within_bounds(
        self, clock: ManualClock, wait: float, delay: float
    ) -> None:
        assert Life(clock, raising(RetryJob(wait=wait))).run() == Retried(delay, None, {})


class TestSnoozeJob:
    def test_the_job_runs_later_and_the_run_does_not_count(self, clock: ManualClock) -> None:
        life = Life(clock, raising(SnoozeJob(timedelta(minutes=5))))
        assert life.run() == Snoozed(300)
        [settlement] = life.settlements
        assert isinstance(settlement, Requeue)
        assert (settlement.state, settlement.tally) == (State.SCHEDULED, Tally.NEITHER)
        assert life.payload.scheduled_at == 1_700_000_300
        assert (life.payload.executions, life.payload.retry_count) == (0, None)

    def test_it_has_no_limit_and_uses_no_attempt(self, clock: ManualClock) -> None:
        life = Life(clock, raising(SnoozeJob(1)))
        life.run(100)
        assert life.payload.executions == 0

    def test_it_is_enqueued_at_once_for_no_wait(self, clock: ManualClock) -> None:
        life = Life(clock, raising(SnoozeJob(0)))
        life.run()
        [settlement] = life.settlements
        assert isinstance(settlement, Requeue)
        assert settlement.state is State.ENQUEUED


class TestDiscardAndBury:
    @pytest.mark.behaviour("C15")
    def test_a_discarded_job_is_done(self, clock: ManualClock) -> None:
        life = Life(clock, raising(DiscardJob("not needed")))
        assert life.run() == Discarded("not needed")
        [settlement] = life.settlements
        assert isinstance(settlement, Ack)
        assert settlement.tally is Tally.PROCESSED

    @pytest.mark.behaviour("C15")
    def test_a_buried_job_is_dead_whatever_the_class_says(self, clock: ManualClock) -> None:
        class Keeps(Job, dead=False, retry=5):
            def perform(self) -> None:
                raise BuryJob("look at this")

        life = Life(clock, Keeps)
        outcome = life.run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.message == "look at this"
        [settlement] = life.settlements
        assert isinstance(settlement, Bury)
        assert settlement.tally is Tally.FAILED

    @pytest.mark.parametrize("error", [DiscardJob(), BuryJob()])
    def test_both_have_a_reason_anyhow(self, clock: ManualClock, error: Any) -> None:
        life = Life(clock, raising(error))
        life.run()
        assert error.reason in repr(life.outcomes)

    @pytest.mark.behaviour("C15", "C16")
    @pytest.mark.parametrize("error", [DiscardJob(), BuryJob()])
    def test_after_discard_runs_and_on_exhausted_does_not(
        self, clock: ManualClock, error: Any
    ) -> None:
        called: list[str] = []

        class Ends(Job):
            def perform(self) -> None:
                raise error

            @after_discard
            def discarded(self, error: BaseException) -> None:
                called.append("discarded")

            @on_exhausted
            def exhausted(self, error: BaseException) -> None:
                called.append("exhausted")

        Life(clock, Ends).run()
        assert called == ["discarded"]


class TestInterrupted:
    @pytest.mark.behaviour("C18")
    def test_the_job_goes_back_to_the_head_uncharged(self, clock: ManualClock) -> None:
        payload = stored_form(raising(Interrupted()))
        life = Life(clock, raising(Interrupted()))
        life.payload = payload
        assert life.run() == Released()
        [settlement] = life.settlements
        assert isinstance(settlement, Release)
        assert settlement.claim.payload == payload
        assert life.payload == payload

    @pytest.mark.behaviour("C18")
    def test_no_rule_and_no_hook_hears_of_it(self, clock: ManualClock) -> None:
        called: list[str] = []

        @discard_on(BaseException)
        class Stops(Job):
            def perform(self) -> None:
                raise Interrupted

            @rescue_from(BaseException)
            def rescue(self, error: BaseException) -> None:
                called.append("rescue")

            @after_discard
            def discarded(self, error: BaseException) -> None:
                called.append("discarded")

        assert Life(clock, Stops).run() == Released()
        assert not called


class TestOrder:
    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (RetryJob(wait=7), Retried(7, None, {})),
            (SnoozeJob(7), Snoozed(7)),
            (DiscardJob("why"), Discarded("why")),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_control_errors_come_before_every_rule(
        self, clock: ManualClock, error: Exception, outcome: object
    ) -> None:
        @retry_on(Exception, wait=99)
        class Ruled(Job):
            def perform(self) -> None:
                raise error

            @rescue_from(Exception)
            def rescue(self, error: Exception) -> None: ...

        assert Life(clock, Ruled).run() == outcome

    def test_a_control_error_of_a_callback_is_obeyed(self, clock: ManualClock) -> None:
        class Checks(Job):
            @before_perform
            def check(self) -> None:
                raise SnoozeJob(60)

            def perform(self) -> None: ...

        assert Life(clock, Checks).run() == Snoozed(60)

    def test_a_control_error_of_a_rescue_method_is_obeyed(self, clock: ManualClock) -> None:
        class Rescued(Job):
            def perform(self) -> None:
                raise KeyError

            @rescue_from(KeyError)
            def rescue(self, error: KeyError) -> None:
                raise RetryJob(wait=60) from error

        assert Life(clock, Rescued).run() == Retried(60, None, {})

    def test_a_control_error_that_is_only_a_cause_is_not(self, clock: ManualClock) -> None:
        error = RuntimeError()
        error.__cause__ = DiscardJob()
        outcome = outcome_of(stored_form(raising(error)), clock)
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
