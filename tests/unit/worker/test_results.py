"""Results of jobs: what a worker stores, and what those who wait are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import jobkit
from jobkit import DiscardJob, Job, JobFailed, NoResult, SerializationError, Unsupported, job
from jobkit.adapter import Ack, Claim, Enqueues, Features, Settlement
from jobkit.inspection import JobResult
from jobkit_inline import FakeAdapter, InlineAdapter, MemoryAdapter, drain, use_adapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

WAIT = 45.0


class Answer(Job, store_result=60, retry=0):
    def perform(self, what: str) -> Any:
        match what:
            case "set":
                return {1, 2}
            case "fail":
                raise ValueError("no way")
            case "discard":
                raise DiscardJob("not wanted")
            case _:
                return {"said": [what, None, 1.5]}


class Gone(Answer, retry=False): ...


class Hushed(Job, store_result=60, log_arguments=False):
    def perform(self, what: str) -> str:
        return what


class Silent(Job):
    def perform(self) -> int:
        return 1


@job(store_result=timedelta(minutes=1))
async def doubled(number: int) -> int:
    return number * 2


def test_whoever_waits_is_given_what_perform_returned(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked, function = Answer.perform_later("yes"), doubled.perform_later(21)
    start_worker()
    assert asked.result(WAIT) == {"said": ["yes", None, 1.5]}
    assert asyncio.run(function.aresult(WAIT)) == 42
    assert Answer.with_id(asked.id).result(WAIT) == asked.result()


@pytest.mark.parametrize("job_class", [Answer, Gone])
def test_a_job_that_failed_for_good_says_by_what(
    store: MemoryAdapter, start_worker: StartWorker, job_class: type[Answer]
) -> None:
    asked = job_class.perform_later("fail")
    start_worker()
    with pytest.raises(JobFailed, match="ValueError: no way") as failed:
        asked.result(WAIT)
    assert (failed.value.error_class, failed.value.error_message) == ("ValueError", "no way")


def test_a_job_that_runs_again_after_it_was_dead_is_waited_for(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = Answer.perform_later("fail")
    worker = start_worker()
    with pytest.raises(JobFailed):
        asked.result(WAIT)
    worker.stop(30)
    jobkit.inspect().run_now([asked.id])
    with pytest.raises(TimeoutError):
        asked.result(0)


def test_a_discarded_job_has_no_result_and_says_why(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = Answer.perform_later("discard")
    start_worker()
    with pytest.raises(NoResult, match="not wanted"):
        asked.result(WAIT)


def test_what_is_no_json_is_told_to_who_waits_and_the_job_is_done(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = Answer.perform_later("set")
    start_worker()
    with pytest.raises(SerializationError, match="set is not JSON serializable"):
        asked.result(WAIT)
    until(lambda: store.stats().processed == 1)
    assert (store.stats().failed, store.stats().dead) == (0, 0)


def test_who_waits_too_long_is_told(store: MemoryAdapter) -> None:
    asked = Answer.perform_later("yes")
    with pytest.raises(TimeoutError, match=r"has not ended within 0\.02 s"):
        asked.result(0.02)
    with pytest.raises(TimeoutError):
        asyncio.run(asked.aresult(0))


def test_a_job_that_was_cancelled_before_it_ran_has_no_result(store: MemoryAdapter) -> None:
    asked = Answer.perform_later("yes")
    assert asked.cancel()
    with pytest.raises(NoResult, match="cancelled or deleted"):
        asked.result(WAIT)


def test_a_class_that_stores_none_is_not_waited_for(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = Silent.perform_later()
    with pytest.raises(NoResult, match="give the class store_result"):
        asked.result()
    start_worker()
    until(lambda: store.stats().processed == 1)
    assert store.result(asked.id) is None


def test_a_job_buried_by_hand_is_told_without_a_result(store: MemoryAdapter) -> None:
    asked = Answer.perform_later("yes")
    jobkit.inspect().bury([asked.id])
    with pytest.raises(JobFailed):
        asked.result(0)


def test_a_job_can_be_looked_at_after_it_has_ended(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = [Answer.perform_later("ä"), Answer.perform_later("discard"), Gone.perform_later("fail")]
    before = datetime.now(UTC)
    start_worker()
    until(lambda: store.stats().processed == 3)
    said, discarded, gone = [_found(each) for each in asked]
    assert (said.state, said.args, said.executions) == ("completed", ["ä"], 1)
    assert said.result == JobResult(
        "succeeded", {"said": ["ä", None, 1.5]}, "", said.result.ended_at, said.result.seconds
    )
    assert before < said.result.ended_at < datetime.now(UTC)
    assert 0 <= said.result.seconds < WAIT
    assert said.at == said.result.ended_at
    assert (discarded.result.outcome, discarded.result.reason) == ("discarded", "not wanted")
    assert (gone.result.outcome, gone.error_message, gone.executions) == ("failed", "no way", 1)
    assert "raise ValueError" in gone.error_backtrace[-1]


def test_a_dead_job_is_the_one_in_the_dead_set(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = Answer.perform_later("fail")
    start_worker()
    until(lambda: store.stats().dead == 1)
    found = _found(asked)
    assert (found.state, found.result.outcome) == ("dead", "failed")
    assert found.result.reason == "ValueError: no way"
    jobkit.inspect().discard([asked.id])
    assert jobkit.inspect().find(asked.id) is None


def test_what_a_job_with_private_arguments_returned_is_not_shown(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    asked = Hushed.perform_later("password")
    start_worker()
    assert asked.result(WAIT) == "password"
    found = _found(asked)
    assert (found.args, found.result.value) == (["[redacted]"], "[redacted]")


def _found(job: Job) -> Any:
    return jobkit.inspect().find(job.id)


def test_inline_the_result_is_there_at_once() -> None:
    with use_adapter(InlineAdapter()):
        assert Answer.perform_later("now").result(0) == {"said": ["now", None, 1.5]}


def test_drained_jobs_have_results() -> None:
    with use_adapter(FakeAdapter()):
        asked = doubled.perform_later(2)
        drain()
        assert asked.result(0) == 4


@pytest.mark.parametrize("wrong", [0, -1, float("inf")])
def test_a_time_that_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="store_result"):
        type("Wrong", (Job,), {}, store_result=wrong)


def test_encrypted_jobs_store_no_results() -> None:
    with pytest.raises(ValueError, match="results are not encrypted"):
        type("Secret", (Job,), {}, store_result=60, encrypt=True)


def test_a_store_that_keeps_none_refuses_the_job() -> None:
    class Poor(Enqueues):
        features = Features(durable=False)

        def enqueue(self, payloads: object) -> None: ...

    refused = pytest.raises(Unsupported, match=r"Poor does not support results")
    with use_adapter(Poor()), refused:
        Answer.perform_later("yes")
    with use_adapter(Poor()), refused:
        Answer.perform_bulk([("yes",)])


@pytest.mark.usefixtures("unhurried")
def test_jobs_without_it_are_settled_as_ever(
    store: MemoryAdapter, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    settle = store.settle

    def noted(given: Sequence[Settlement]) -> list[Claim]:
        seen.extend(given)
        return settle(given)

    monkeypatch.setattr(store, "settle", noted)
    Silent.perform_later()
    start_worker()
    until(lambda: seen)
    assert seen == [Ack(seen[0].claim)]
