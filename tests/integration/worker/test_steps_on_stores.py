"""What steps promise, by a worker on each store: `tests/unit/steps` has the finer cases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from jobkit import (
    InvalidStep,
    Job,
    ResumeLimitReached,
    Step,
    on_complete,
    on_resume,
    on_start,
    on_stop,
)
from jobkit.adapter import State
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit_inline import use_adapter
from tests.integration.worker.site import Site, Store

ran: list[Any] = []


@pytest.fixture
def store(site: Site) -> Iterator[Store]:
    ran.clear()
    with use_adapter(site.store):
        yield site.store


def work(store: Store) -> None:
    """Run what is enqueued, and what becomes so."""
    worker = Worker(store, WorkerOptions(queues=Queues(("default",)), concurrency=2, burst=True))
    assert worker.start()
    assert worker.next_message() == "done"
    assert worker.stop(10)


class Stumble(Job, retry=1):
    """Fails once at each of some items."""

    @on_start
    def started(self) -> None:
        ran.append("start")

    @on_resume
    def resumed(self) -> None:
        ran.append("resume")

    @on_stop
    def stopped(self) -> None:
        ran.append("stop")

    @on_complete
    def completed(self) -> None:
        ran.append("complete")

    def perform(self, at: list[int]) -> None:
        self.step("first", lambda: ran.append("first"))
        self.step("items", lambda step: self.items(step, at))

    def items(self, step: Step[int], at: list[int]) -> None:
        for item in step.each(range(4)):
            ran.append(item)
            if item in at and ran.count(item) == 1:
                raise ValueError(item)


@pytest.mark.behaviour("I2", "I3", "I6")
def test_an_error_after_progress_goes_on_where_it_was_and_tells_the_hooks(store: Store) -> None:
    Stumble.perform_later([2])
    work(store)
    assert ran == ["start", "first", 0, 1, 2, "stop", "resume", 2, 3, "stop", "complete"]
    stats = store.stats()
    assert (stats.processed, stats.failed, stats.retry, stats.dead) == (2, 1, 0, 0)


class Hopeless(Job, retry=1):
    def perform(self) -> None:
        self.step("bad", self.bad)

    def bad(self) -> None:
        raise ValueError


@pytest.mark.behaviour("I2")
def test_an_error_without_progress_is_an_ordinary_failure(store: Store) -> None:
    Hopeless.perform_later()
    work(store)
    [failed] = store.jobs(State.RETRY).items
    assert (failed.payload.executions, failed.payload.retry_count) == (1, 0)


class Nested(Job, retry=0):
    def perform(self) -> None:
        self.step("a", lambda: self.step("b", str))


class Limited(Stumble, max_resumptions=1, retry=0):
    pass


@pytest.mark.behaviour("I3", "I5")
@pytest.mark.parametrize(
    ("job", "error"),
    [(Nested.new(), InvalidStep), (Limited.new([1, 2, 3]), ResumeLimitReached)],
    ids=["nested", "resumed too often"],
)
def test_what_goes_wrong_with_steps_is_an_error_of_its_own(
    store: Store, job: Job, error: type[Exception]
) -> None:
    type(job).perform_later(*job.args)
    work(store)
    [dead] = store.jobs(State.DEAD).items
    assert dead.payload.fields["error_class"] == f"jobkit.errors.{error.__name__}"


class Apart(Job):
    def perform(self) -> None:
        ran.append("run")
        for name in ("a", "b", "alone", "c"):
            self.step(name, lambda name=name: ran.append(name), isolated=name == "alone")


@pytest.mark.behaviour("I4")
def test_an_isolated_step_shares_no_run_with_another(store: Store) -> None:
    Apart.perform_later()
    work(store)
    assert ran == ["run", "a", "b", "run", "alone", "run", "c"]


class Slow(Job, max_run_time=0.02):
    def perform(self) -> None:
        ran.append((self.queue, self.priority, self.tags))
        self.step("items", self.items)

    def items(self, step: Step[int]) -> None:
        for item in step.each(range(2)):
            time.sleep(0.03)
            ran.append(item)


@pytest.mark.behaviour("I1", "I7")
def test_a_run_ends_behind_the_item_at_which_it_was_long_enough(store: Store) -> None:
    Slow.set(priority=3, tags=["x"]).perform_later()
    work(store)
    options = ("default", 3, ("x",))
    assert ran[:4] == [options, 0, options, 1]
    assert ran.count(0) == ran.count(1) == 1


VALUE = (datetime(2026, 1, 2, 3, tzinfo=UTC), Decimal("1.50"), {"ä": [b"\0", None]})


class Odd(Job, max_run_time=0.000_001):
    def perform(self) -> None:
        self.step("odd", self.odd)

    def odd(self, step: Step[Any]) -> None:
        ran.append(step.cursor)
        if step.cursor is None:
            time.sleep(0.001)
            step.advance(VALUE)


@pytest.mark.behaviour("I8")
def test_a_cursor_of_any_type_comes_back(store: Store) -> None:
    Odd.perform_later()
    work(store)
    assert ran == [None, VALUE]
