"""What a store is asked to do after a run, and what the payload says from then on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, State, Tally
from jobkit.failure import unpacked
from jobkit.outcome import (
    Buried,
    Discarded,
    Dropped,
    Failure,
    Outcome,
    Released,
    Retried,
    Snoozed,
    Succeeded,
)
from jobkit.payload import Payload
from jobkit.settlement import settlement_of

NOW = 1_700_000_000.0
FAILURE = Failure("app.Lost", "why", ("a.py:1 in f: x",), NOW)
SIDEKIQ_8 = Payload(
    '{"class":"A","jid":"x","args":[1,  2],"retry_count":3,"failed_at":1690000000000,'
    '"created_at":1690000000000,"unknown":1e400}'
)


def claim(payload: Payload | None = None, **fields: Any) -> Claim:
    return Claim(payload or Payload.of({"class": "A", "jid": "x", **fields}), "receipt")


def after(payload: Payload, outcome: Outcome, now: float = NOW) -> Payload:
    """The payload that the store gets."""
    settlement = settlement_of(claim(payload), outcome, now)
    assert isinstance(settlement, (Requeue, Bury))
    return Payload(settlement.payload.text)


class TestWhatTheStoreDoes:
    @pytest.mark.behaviour("A6", "C8")
    @pytest.mark.parametrize(
        ("outcome", "tally"),
        [
            (Succeeded(), Tally.PROCESSED),
            (Succeeded(halted=True), Tally.PROCESSED),
            (Discarded("why"), Tally.PROCESSED),
            (Dropped(FAILURE), Tally.FAILED),
        ],
    )
    def test_a_job_that_is_over_is_acknowledged(self, outcome: Outcome, tally: Tally) -> None:
        held = claim()
        assert settlement_of(held, outcome, NOW) == Ack(held, tally)

    def test_a_released_job_goes_back_as_it_is(self) -> None:
        held = claim()
        assert settlement_of(held, Released(), NOW) == Release(held)

    @pytest.mark.parametrize(
        ("outcome", "state", "tally"),
        [
            (Retried(5, FAILURE), State.RETRY, Tally.FAILED),
            (Retried(0, FAILURE), State.ENQUEUED, Tally.FAILED),
            (Retried(5, None), State.RETRY, Tally.PROCESSED),
            (Snoozed(5), State.SCHEDULED, Tally.NEITHER),
            (Snoozed(0), State.ENQUEUED, Tally.NEITHER),
        ],
    )
    def test_a_job_that_runs_again_waits_in_its_place(
        self, outcome: Outcome, state: State, tally: Tally
    ) -> None:
        settlement = settlement_of(claim(), outcome, NOW)
        assert isinstance(settlement, Requeue)
        assert (settlement.state, settlement.tally, settlement.head) == (state, tally, False)

    def test_a_buried_job_counts_as_failed(self) -> None:
        settlement = settlement_of(claim(), Buried(FAILURE), NOW)
        assert isinstance(settlement, Bury)
        assert settlement.tally is Tally.FAILED


class TestBookkeeping:
    @pytest.mark.behaviour("C11", "C12")
    def test_the_first_failure(self) -> None:
        payload = after(claim().payload, Retried(15, FAILURE))
        assert payload.executions == 1
        assert payload.retry_count == 0
        assert payload.failed_at == NOW
        assert "retried_at" not in payload.fields
        assert payload.scheduled_at == NOW + 15
        assert payload.fields["error_class"] == "app.Lost"
        assert payload.fields["error_message"] == "why"
        assert unpacked(payload.fields["error_backtrace"]) == FAILURE.backtrace

    @pytest.mark.behaviour("C11")
    def test_later_failures(self) -> None:
        payload = claim().payload
        for number in range(3):
            payload = after(payload, Retried(15, Failure("E", str(number), (), NOW + number)))
        assert (payload.executions, payload.retry_count) == (3, 2)
        assert payload.failed_at == NOW
        assert payload.fields["retried_at"] == NOW + 2
        assert payload.fields["error_message"] == "2"
        assert "error_backtrace" not in payload.fields

    def test_moments_are_written_with_a_decimal_point(self) -> None:
        payload = after(claim().payload, Retried(15, FAILURE), now=1_700_000_000)
        payload = after(payload, Retried(15, Failure("E", "", (), 1_700_000_001)))
        for name in ("failed_at", "retried_at", "scheduled_at"):
            assert type(payload.fields[name]) is float

    def test_a_short_history_is_kept_the_latest_last(self) -> None:
        payload = claim().payload
        for number in range(7):
            payload = after(payload, Retried(1, Failure("E", f"{number}{'x' * 9_000}", (), NOW)))
        history = payload.fields["history"]
        assert [entry["error_message"][0] for entry in history] == ["2", "3", "4", "5", "6"]
        assert {len(entry["error_message"]) for entry in history} == {500}
        assert history[0].keys() == {"at", "error_class", "error_message"}

    @pytest.mark.parametrize("known", ["text", 5, None, {}])
    def test_a_history_of_another_shape_is_begun_anew(self, known: Any) -> None:
        payload = after(claim(history=known).payload, Retried(1, FAILURE))
        assert len(payload.fields["history"]) == 1

    def test_the_counts_of_the_rules_are_those_of_the_outcome(self) -> None:
        payload = after(claim().payload, Retried(1, FAILURE, {"E": 2}))
        assert payload.exception_executions == {"E": 2}
        assert after(payload, Buried(FAILURE, {"E": 3})).exception_executions == {"E": 3}

    def test_a_buried_job_keeps_its_last_error(self) -> None:
        payload = after(claim(retry_count=4, failed_at=NOW - 9).payload, Buried(FAILURE))
        assert (payload.retry_count, payload.executions) == (5, 1)
        assert payload.fields["error_message"] == "why"
        assert payload.fields["retried_at"] == NOW

    @pytest.mark.parametrize("outcome", [Retried(1, FAILURE), Retried(1, None), Snoozed(1)])
    def test_a_run_that_ended_forgets_the_workers_that_were_lost(self, outcome: Outcome) -> None:
        assert after(claim(deliveries=2).payload, outcome).deliveries == 0
        assert after(claim(deliveries=2).payload, Buried(FAILURE)).deliveries == 0

    def test_a_retry_asked_for_is_no_failure(self) -> None:
        payload = after(claim(retry_count=1).payload, Retried(1, None, {"E": 1}))
        assert (payload.executions, payload.retry_count) == (1, 1)
        assert "error_class" not in payload.fields

    def test_a_snooze_changes_only_the_time(self) -> None:
        payload = after(claim(executions=2).payload, Snoozed(60))
        assert payload.fields == {**claim(executions=2).payload.fields, "scheduled_at": NOW + 60}

    def test_queue_and_priority_change_when_the_outcome_says_so(self) -> None:
        payload = claim(queue="a", priority=5).payload
        assert after(payload, Retried(1, FAILURE)).queue == "a"
        moved = after(payload, Retried(1, FAILURE, {}, "b", 0))
        assert (moved.queue, moved.priority) == ("b", 0)
        assert "priority" not in moved.fields

    @pytest.mark.behaviour("B6")
    def test_what_is_not_jobkits_stays_byte_for_byte(self) -> None:
        payload = after(SIDEKIQ_8, Retried(15, FAILURE, {"E": 1}))
        assert '"args":[1,  2]' in payload.text
        assert '"unknown":1e400' in payload.text
        assert '"failed_at":1690000000000' in payload.text
        assert payload.retry_count == 4
        assert payload.failed_at == 1_690_000_000

    def test_the_text_is_json_for_any_reader(self) -> None:
        assert json.loads(after(claim().payload, Buried(FAILURE)).text)["retry_count"] == 0
