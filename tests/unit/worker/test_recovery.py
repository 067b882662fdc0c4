"""What becomes of the jobs of a worker that was lost."""

from __future__ import annotations

from jobkit.adapter import Claim, Release, Requeue, Settlement, State, Tally
from jobkit.payload import Payload
from jobkit.worker.recovery import OVERRUN, after_death, after_loss, after_overrun

NOW = 1_700_000_000.0


def lost(deliveries: int) -> Settlement:
    fields = dict[str, object](args=[], jid="1", deliveries=deliveries or None)
    fields["class"] = "A"
    return after_loss(Claim(Payload.of(fields), "r"), "the worker w stopped beating", NOW)


def requeued(deliveries: int) -> Requeue:
    settlement = lost(deliveries)
    assert isinstance(settlement, Requeue)
    return settlement


def test_after_its_first_loss_a_job_goes_back_to_the_head_at_once() -> None:
    back = requeued(0)
    assert (back.state, back.head, back.payload.deliveries) == (State.ENQUEUED, True, 1)


def test_after_its_second_loss_a_job_waits_five_to_fifteen_seconds() -> None:
    for _ in range(50):
        back = requeued(1)
        assert back.state is State.SCHEDULED
        assert back.payload.scheduled_at is not None
        assert NOW + 5 <= back.payload.scheduled_at <= NOW + 15


def test_after_its_third_loss_a_job_is_handed_on_to_be_set_aside() -> None:
    back = requeued(2)
    assert (back.state, back.head, back.payload.deliveries) == (State.ENQUEUED, True, 3)


def test_the_reason_is_kept_with_the_job() -> None:
    fields = requeued(0).payload.fields
    assert fields["error_class"] == "jobkit.errors.WorkerLost"
    assert fields["error_message"] == "the worker w stopped beating"


def test_a_lost_run_counts_neither_as_processed_nor_as_failed_nor_as_an_execution() -> None:
    back = requeued(0)
    assert back.tally is Tally.NEITHER
    assert back.payload.executions == 0


def test_text_that_is_no_job_goes_back_as_it_is_for_whoever_buries_it() -> None:
    claim = Claim(Payload('{"class":'), "r")
    assert after_loss(claim, "died", NOW) == Release(claim)


def claims(*texts: str) -> list[Claim]:
    return [Claim(Payload(text), f"r{number}") for number, text in enumerate(texts)]


ONE, OTHER = '{"class":"A","jid":"1"}', '{"class":"A","jid":"2"}'


def charged(started: list[str] | None, *texts: str) -> list[bool]:
    settlements = after_death(claims(*texts), started, "died", NOW)
    return [isinstance(settlement, Requeue) for settlement in settlements]


def test_of_the_jobs_of_a_dead_process_those_are_charged_that_had_started() -> None:
    assert charged([OTHER], ONE, OTHER) == [False, True]


def test_of_equal_payloads_as_many_are_charged_as_had_started() -> None:
    assert charged([ONE], ONE, ONE) == [True, False]


def test_all_are_charged_when_nobody_can_tell_what_had_started() -> None:
    assert charged(None, ONE, OTHER) == [True, True]


def test_what_had_only_been_claimed_goes_back_unchanged() -> None:
    [claim] = claims(ONE)
    assert after_death([claim], [], "died", NOW) == [Release(claim)]


def test_a_job_over_its_limit_goes_back_with_a_mark_and_those_beside_it_unchanged() -> None:
    first, second = after_overrun(claims(ONE, OTHER), [OTHER], "too long")
    assert first == Release(claims(ONE)[0], started=False)
    assert isinstance(second, Requeue)
    assert (second.state, second.head) == (State.ENQUEUED, True)
    fields = second.payload.fields
    assert (fields[OVERRUN], fields["deliveries"], fields["error_message"]) == (True, 1, "too long")
