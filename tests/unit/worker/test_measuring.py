"""What a worker measures of its runs, and when the store hears of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from jobkit import Job, discard_on, retry_on
from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, State, Tally
from jobkit.errors import AdapterError
from jobkit.inspection import Inspector
from jobkit.measures import FAILED, TIMES, Measure, bucket_of
from jobkit.payload import Payload
from jobkit.transactions import Settled
from jobkit.worker.measuring import Measures
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until


class Fine(Job):
    def perform(self) -> None:
        pass


@retry_on(ValueError, wait=3600)
class Stumbles(Job):
    def perform(self) -> None:
        raise ValueError


@discard_on(KeyError)
class Unwanted(Job):
    def perform(self) -> None:
        raise KeyError


def _claim(job: str = "app.A") -> Claim:
    return Claim(Payload.of({"class": job, "args": [], "jid": "1", "queue": "default"}), "r")


def test_runs_are_summed_by_class_and_time() -> None:
    measures = Measures(kept=True)
    claim, other = _claim(), _claim("app.B")
    measures.add([(Ack(claim), 0.01), (Ack(claim), 0.015), (Settled(claim), 0.02)])
    measures.add([(Ack(other), 400.0)])
    told = {(each.job_class, each.bucket): each for each in measures.taken()}
    assert told["app.A", 0] == Measure("app.A", 0, 2, 0.025)
    assert told["app.A", 1] == Measure("app.A", 1, 1, 0.02)
    assert told["app.B", len(TIMES)] == Measure("app.B", len(TIMES), 1, 400.0)
    assert measures.taken() == []


def test_a_run_that_failed_is_counted_and_not_timed() -> None:
    measures = Measures(kept=True)
    claim = _claim()
    retried = Requeue(claim, claim.payload, State.RETRY, tally=Tally.FAILED)
    measures.add([(Bury(claim, claim.payload), 5.0), (retried, 5.0), (Ack(claim, Tally.FAILED), 5)])
    assert measures.taken() == [Measure("app.A", FAILED, 3, 0.0)]


def test_what_is_no_run_is_not_counted() -> None:
    measures = Measures(kept=True)
    claim = _claim()
    snoozed = Requeue(claim, claim.payload, State.SCHEDULED)
    measures.add([(Release(claim), -1.0), (Release(claim), 0.1), (snoozed, 0.1), (Ack(claim), -1)])
    assert measures.taken() == []


def test_text_that_is_no_job_is_counted_under_a_name_of_its_own() -> None:
    measures = Measures(kept=True)
    claim = Claim(Payload("no job"), "r")
    measures.add([(Bury(claim, claim.payload), 0.0)])
    assert measures.taken() == [Measure("(unreadable)", FAILED, 1)]


def test_a_time_belongs_to_the_first_bucket_that_ends_beyond_it() -> None:
    assert [bucket_of(seconds) for seconds in (0.0, 0.019, 0.02, 334.9, 335.0, 1e9)] == [
        0, 0, 1, len(TIMES) - 1, len(TIMES), len(TIMES),
    ]  # fmt: skip


def test_a_worker_tells_minutes_and_classes(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    start_worker()
    for job in (Fine, Fine, Stumbles, Unwanted):
        job.perform_later()
    inspector = Inspector(store)
    until(lambda: sum(minute.processed for minute in inspector.minutes()) == 4)
    assert sum(minute.failed for minute in inspector.minutes()) == 1
    told = {each.job_class: each for each in inspector.metrics()}
    assert {name: (each.runs, each.failures) for name, each in told.items()} == {
        Fine._name: (2, 0),
        Stumbles._name: (1, 1),
        Unwanted._name: (1, 0),
    }
    assert sum(bucket.runs for bucket in told[Fine._name].histogram) == 2
    assert 0 < (told[Fine._name].mean or 0) < 1
    assert told[Stumbles._name].mean is None


def test_a_worker_that_leaves_tells_what_it_has(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    worker = start_worker()
    Fine.perform_later()
    until(lambda: store.stats().processed == 1)
    worker.stop(30)
    assert [each.runs for each in Inspector(store).metrics()] == [1]


class Failing(MemoryAdapter):
    fails = threading.Event()
    asked = threading.Event()

    def record(self, measures: Sequence[Measure]) -> None:
        self.asked.set()
        if self.fails.is_set():
            raise AdapterError("the store is away")
        super().record(measures)


def test_what_a_store_that_is_away_did_not_take_is_told_later(start_worker: StartWorker) -> None:
    adapter = Failing()
    adapter.fails.set()
    start_worker(adapter)
    adapter.enqueue([Payload.of({"class": Fine._name, "args": [], "jid": "1"})])
    assert adapter.asked.wait(30)
    adapter.fails.clear()
    until(lambda: [each.runs for each in Inspector(adapter).metrics()] == [1])


def test_a_store_that_keeps_no_measures_is_given_none() -> None:
    measures = Measures(kept=False)
    measures.add([(Ack(_claim()), 0.01)])
    assert measures.taken() == []
