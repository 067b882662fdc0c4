"""What adapters that run their jobs are handed by the core."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from jobkit import backends, events
from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, State, Tally
from jobkit.clock import SYSTEM
from jobkit.errors import Interrupted
from jobkit.handlers import BURY, DISCARD, rescue_from
from jobkit.jobs import Job
from jobkit.payload import Payload
from jobkit_inline import FakeAdapter
from tests.unit.kit import jobs


class Yielding(Job, name="Yielding"):
    def perform(self) -> None:
        raise Interrupted


class Dropped(jobs.Failing, name="Dropped", retry=False): ...


def performed(job: str, *args: Any, **fields: Any) -> backends.Performed:
    payload = Payload.of({"class": job, "args": [*args], "jid": "1", **fields})
    return backends.perform(Claim(payload, "receipt"), FakeAdapter(), SYSTEM)


def test_a_success_is_an_ack() -> None:
    done = performed("Welcome", 1)
    assert isinstance(done.settlement, Ack)
    assert done.settlement.claim.receipt == "receipt"
    assert done.error is None


def test_an_error_that_the_policy_answers_for_is_told() -> None:
    done = performed("Failing")
    assert isinstance(done.settlement, Requeue)
    assert done.settlement.state is State.RETRY
    assert isinstance(done.error, LookupError)


def test_an_error_that_a_rule_answers_for_is_not() -> None:
    assert performed("Flaky").error is None
    assert performed("Unwanted").error is None


def test_an_error_whose_rule_is_exhausted_is_told() -> None:
    key = f"{jobs.Temporary.__module__}.Temporary"
    done = performed("Flaky", exception_executions={key: 2}, executions=2)
    assert isinstance(done.settlement, Bury)
    assert isinstance(done.error, jobs.Temporary)


@pytest.mark.parametrize(("verdict", "answered"), [(DISCARD, True), (BURY, False), (5, False)])
def test_a_policy_that_discards_is_an_answer(verdict: Any, answered: bool) -> None:
    class Deciding(Job, name="Deciding", retry_in=lambda executions, error: verdict):
        def perform(self) -> None:
            raise LookupError

    assert (performed("Deciding").error is None) is answered


def test_the_error_of_a_rescue_is_told_in_place_of_the_rescued_one() -> None:
    class Rescuing(Job, name="Rescuing"):
        def perform(self) -> None:
            raise LookupError

        @rescue_from(LookupError)
        def rescue(self, error: BaseException) -> None:
            raise OSError from error

    assert isinstance(performed("Rescuing").error, OSError)


def test_an_interrupted_job_is_released() -> None:
    assert isinstance(performed("Yielding").settlement, Release)


def test_a_job_without_retries_is_dropped_and_its_error_told() -> None:
    done = performed("Failing", retry=False)
    assert isinstance(done.settlement, Ack)
    assert done.settlement.tally is Tally.FAILED
    assert isinstance(done.error, LookupError)


@pytest.mark.behaviour("A6", "A15", "C8", "C15")
@pytest.mark.parametrize(
    ("job", "args", "told"),
    [
        ("Welcome", [1], []),
        ("Flaky", [], ["retry_scheduled"]),
        ("Dropped", [], ["discard"]),
        ("Unwanted", [], ["discard"]),
        ("Yielding", [], ["interrupt"]),
        ("Halting", [], ["halt"]),
        ("Saying", ["snooze"], ["snooze"]),
        ("Saying", ["discard"], ["discard"]),
        ("Saying", ["bury"], ["bury"]),
    ],
)
def test_subscribers_hear_of_the_run(job: str, args: list[object], told: list[str]) -> None:
    heard: list[events.Event] = []
    events.subscribe(heard.append)
    performed(job, *args)
    assert [event.name for event in heard] == ["perform_start", *told, "perform"]
    assert heard[-1].duration is not None


@pytest.mark.behaviour("A15")
@pytest.mark.parametrize(
    ("job", "fields", "told"),
    [
        ("Failing", {}, "retry_scheduled"),
        ("Flaky", {}, "retry_scheduled"),
        ("Failing", {"retry": 0}, "bury"),
        ("Failing", {"retry": False}, "discard"),
    ],
)
def test_a_failure_is_told_with_its_error(job: str, fields: dict[str, Any], told: str) -> None:
    heard: list[events.Event] = []
    events.subscribe(heard.append)
    performed(job, **fields)
    said, ended = heard[-2:]
    assert (said.name, ended.name) == (told, "perform")
    assert isinstance(said.error, (LookupError, jobs.Temporary))
    assert ended.error is said.error
    assert said.error.__traceback__ is not None


def test_whoever_runs_something_has_it() -> None:
    script = (
        "from jobkit import backends\n"
        "from jobkit.adapter import Claim\n"
        "from jobkit.clock import SYSTEM\n"
        "from jobkit.payload import Payload\n"
        "claim = Claim(Payload.of({'class': 'Unknown', 'args': [], 'jid': '1'}), 'receipt')\n"
        "print(type(backends.perform(claim, None, SYSTEM).error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "UnknownJob"
