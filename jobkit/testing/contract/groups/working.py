"""Whole jobs: enqueued by the verbs, run by a real worker, gone or kept as the rules say."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from jobkit import Job, Step, backends, discard_on, retry_on
from jobkit.adapter import Adapter, State
from jobkit.capabilities import SupportsInspect
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.testing.contract.support import claim, register
from jobkit.worker import Worker, WorkerOptions

__all__ = ["Working"]


class _Noted(Job):
    """Counts its runs by number."""

    runs: ClassVar[Counter[int]] = Counter()

    def note(self, number: int) -> None:
        self.runs[number] += 1


class _Count(_Noted, name="contract.Count"):
    def perform(self, number: int) -> None:
        self.note(number)


@retry_on(ConnectionError, wait=0, attempts=3)
class _Stumble(_Noted, name="contract.Stumble"):
    def perform(self, number: int) -> None:
        self.note(number)
        if self.executions < number:
            raise ConnectionError("not yet")


@discard_on(LookupError)
class _Fail(_Noted, name="contract.Fail", retry=1):
    def perform(self, number: int) -> None:
        self.note(number)
        raise [LookupError, ValueError][number]("as told")


class _Chain(_Noted, name="contract.Chain"):
    def perform(self, number: int) -> None:
        self.note(number)
        if number:
            _Chain.perform_later(number - 1)


class _Stepping(_Noted, name="contract.Stepping"):
    half: ClassVar[threading.Event] = threading.Event()
    go_on: ClassVar[threading.Event] = threading.Event()

    def perform(self, number: int) -> None:
        self.step("once", lambda: self.note(-1))
        self.step("items", lambda step: self.items(step, number))

    def items(self, step: Step[int], number: int) -> None:
        for item in step.each(range(number)):
            self.note(item)
            if item == number // 2:
                self.half.set()
                self.go_on.wait(20)


class Working:
    """A worker with real threads; the store's clock stands still."""

    @pytest.fixture(autouse=True)
    def everywhere(self, adapter: Adapter) -> Iterator[None]:
        """Every backend is the adapter."""
        _Noted.runs.clear()
        with backends.override(adapter):
            yield

    def test_every_job_runs_once_and_leaves(self, adapter: Adapter) -> None:
        _Count.perform_bulk((number,) for number in range(300))
        _work(adapter)
        assert _Noted.runs == Counter(range(300))
        assert claim(adapter, register(adapter, "after")) == []

    def test_arguments_arrive_as_they_were(self, adapter: Adapter) -> None:
        seen: list[Any] = []

        class Keep(Job, name="contract.Keep"):
            def perform(self, *values: Any, **named: Any) -> None:
                seen.append((values, named))

        Keep.perform_later("é\U0001f600", 2**70, [[], {}], last=-0.0)
        _work(adapter)
        assert repr(seen) == repr([(("é\U0001f600", 2**70, [[], {}]), {"last": -0.0})])

    def test_a_job_that_stumbles_runs_again_until_it_stands(self, adapter: Adapter) -> None:
        _Stumble.perform_later(3)
        _work(adapter)
        assert _Noted.runs == {3: 3}

    def test_jobs_enqueued_by_jobs_run_too(self, adapter: Adapter) -> None:
        _Chain.perform_later(5)
        _work(adapter)
        assert _Noted.runs == Counter(range(6))

    def test_what_failed_is_kept_as_the_rules_say(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        _Stumble.perform_later(9)
        _Fail.perform_bulk([(0,), (1,)])
        _work(adapter)
        [dead] = inspector.jobs(State.DEAD).items
        [waiting] = inspector.jobs(State.RETRY).items
        assert (dead.payload.job_class, dead.payload.executions) == ("contract.Stumble", 3)
        assert waiting.payload.fields["error_class"] == "ValueError"
        stats = inspector.stats()
        assert (stats.processed, stats.failed, stats.running) == (5, 4, 0)

    def test_a_job_of_an_unknown_class_waits_as_it_was_stored(
        self, adapter: Adapter, inspector: SupportsInspect
    ) -> None:
        spaced = '"args":[1,  {"b" : [ ]}],"future":1e400'
        text = f'{{"class":"nowhere.Job","jid":"unknown","queue":"default",{spaced}}}'
        adapter.enqueue([Payload(text)])
        _Count.perform_later(1)
        _work(adapter)
        [waiting] = inspector.jobs(State.RETRY).items
        assert waiting.payload.fields["error_class"] == "jobkit.errors.UnknownJob"
        assert spaced in waiting.payload.text
        assert _Noted.runs == {1: 1}

    def test_several_workers_share_the_jobs(
        self, adapter: Adapter, connect: Callable[[], Adapter]
    ) -> None:
        _Count.perform_bulk((number,) for number in range(300))
        workers = [_started(connect()) for _ in range(3)]
        for worker in workers:
            _finish(worker)
        assert _Noted.runs == Counter(range(300))

    def test_a_job_whose_worker_stops_goes_on_where_it_was(self, adapter: Adapter) -> None:
        _Stepping.half.clear()
        _Stepping.go_on.clear()
        _Stepping.perform_later(10)
        stopping = Worker(adapter, WorkerOptions(queues=Queues(("default",)), concurrency=1))
        assert stopping.start()
        assert _Stepping.half.wait(20)
        stopping.desk.stopping.set()
        _Stepping.go_on.set()
        assert stopping.stop(20)
        assert _Noted.runs == Counter(range(-1, 6))
        _work(adapter)
        assert _Noted.runs == Counter(range(-1, 10))


def _work(adapter: Adapter) -> None:
    _finish(_started(adapter))


def _started(adapter: Adapter) -> Worker:
    options = WorkerOptions(queues=Queues(("default",)), concurrency=4, burst=True)
    worker = Worker(adapter, options)
    assert worker.start()
    return worker


def _finish(worker: Worker) -> None:
    assert worker.next_message() == "done"
    assert worker.stop(20)
