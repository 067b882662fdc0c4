"""Steps: done once each, in order, gone on with where the job was."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from jobkit import (
    DiscardJob,
    InvalidStep,
    Job,
    ResumeLimitReached,
    Step,
    after_discard,
    current_job,
    discard_on,
    job,
    on_complete,
    on_resume,
    on_start,
    on_stop,
    retry_on,
)
from jobkit.adapter import State
from jobkit.testing import ManualClock
from tests.unit.steps.conftest import Fake, Stop

ran: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


class Two(Job):
    def perform(self) -> None:
        self.step("first", self.first)
        self.step("second", "second")

    def first(self) -> None:
        ran.append("first")

    def second(self, step: Step[Any]) -> None:
        ran.append(step.name)


class Count(Job):
    def perform(self, items: int) -> None:
        self.step("count", lambda step: self.count(step, items), start=0)

    def count(self, step: Step[int], items: int) -> None:
        while step.cursor < items:
            ran.append(step.cursor)
            step.advance(step.cursor + 1)


@pytest.mark.behaviour("I3")
def test_steps_run_once_each_in_their_order(fake: Fake) -> None:
    Two.perform_later()
    fake.run()
    assert ran == ["first", "second"]
    assert fake.stats().processed == 1


def test_a_job_runs_its_steps_in_place_too() -> None:
    Two.perform_now()
    assert ran == ["first", "second"]


def test_a_function_has_steps_by_the_running_job(fake: Fake) -> None:
    @job
    def both() -> None:
        here = current_job()
        assert here is not None
        here.step("one", lambda: ran.append("one"))
        here.step("two", lambda: ran.append("two"))

    both.perform_later()
    fake.run()
    assert ran == ["one", "two"]


@pytest.mark.behaviour("I1")
def test_an_interrupted_step_goes_on_at_its_cursor(fake: Fake, stop: Stop) -> None:
    Count.perform_later(5)
    stop.at(2)
    fake.run()
    assert ran == [0, 1, 2]
    assert fake.steps == {"at": "count", "cursor": 3, "resumed": 1}
    stop.never()
    fake.run()
    assert ran == [0, 1, 2, 3, 4]


@pytest.mark.behaviour("I1")
def test_whenever_it_is_interrupted_no_item_is_passed_over(fake: Fake, stop: Stop) -> None:
    class All(Job):
        def perform(self) -> None:
            self.step("letters", self.letters)
            self.step("numbers", self.numbers)

        def letters(self, step: Step[int]) -> None:
            ran.extend(step.each("abc"))

        def numbers(self, step: Step[int]) -> None:
            for number in step.each(iter(range(4))):
                ran.append(number)  # noqa: PERF402 - an item is done when the next is asked for

    for questions in range(12):
        ran.clear()
        All.perform_later()
        while fake.waiting():
            stop.at(questions % 4)
            fake.run()
        assert Counter(ran) == Counter([*"abc", 0, 1, 2, 3])


@pytest.mark.behaviour("I3")
def test_a_step_that_is_done_is_passed_over(fake: Fake, stop: Stop) -> None:
    Two.perform_later()
    stop.at(0)
    fake.run()
    assert ran == ["first"]
    assert fake.steps == {"done": ["first"], "resumed": 1}
    fake.run()
    assert ran == ["first", "second"]


@pytest.mark.behaviour("C18")
def test_an_interruption_costs_nothing_and_keeps_the_place(fake: Fake, stop: Stop) -> None:
    Two.set(queue="low", priority=3, tags=["x"], timeout=60).perform_later()
    before = fake.only
    stop.at(0)
    fake.run()
    after = fake.only
    assert after.replace(steps=None).text == before.text
    [waiting] = fake.jobs(State.ENQUEUED).items
    assert waiting.payload.queue == "low"
    assert (fake.stats().processed, fake.stats().failed) == (0, 0)


@pytest.mark.behaviour("I7")
def test_the_longest_run_time_ends_a_run_behind_the_current_item(
    fake: Fake, clock: ManualClock
) -> None:
    class Slow(Job, max_run_time=10, queue="slow"):
        def perform(self) -> None:
            self.step("items", self.items)

        def items(self, step: Step[int]) -> None:
            for item in step.each(range(5)):
                clock.advance(6)
                ran.append((item, self.executions))

    Slow.set(priority=2).perform_later()
    fake.run()
    assert ran == [(0, 1), (1, 1)]
    assert (fake.only.queue, fake.only.priority) == ("slow", 2)
    fake.run(2)
    assert ran == [(item, 1) for item in range(5)]


@pytest.mark.behaviour("I7")
def test_a_job_that_ran_too_long_goes_behind_those_that_wait(
    fake: Fake, clock: ManualClock
) -> None:
    class Slow(Job, max_run_time=1):
        def perform(self, name: str) -> None:
            self.step("items", lambda step: self.items(step, name))

        def items(self, step: Step[int], name: str) -> None:
            for _ in step.each(range(2)):
                clock.advance(2)
                ran.append(name)

    Slow.perform_later("a")
    Slow.perform_later("b")
    fake.drain()
    assert ran == ["a", "b", "a", "b"]


class Wrong(Exception):
    pass


class Stumble(Job, retry=3):
    def perform(self, *, at: list[int]) -> None:
        self.step("items", lambda step: self.items(step, at))

    def items(self, step: Step[int], at: list[int]) -> None:
        for item in step.each(range(4)):
            ran.append(item)
            if ran.count(item) == 1 and item in at:
                raise Wrong(item)


@pytest.mark.behaviour("I2")
def test_an_error_after_progress_goes_on_and_costs_no_attempt(fake: Fake) -> None:
    Stumble.perform_later(at=[2, 3])
    fake.run()
    assert ran == [0, 1, 2]
    again = fake.only
    assert (again.executions, again.retry_count) == (0, None)
    assert again.fields["history"][-1]["error_class"].endswith("Wrong")
    assert fake.jobs(State.ENQUEUED).items
    fake.run()
    assert ran == [0, 1, 2, 2, 3]
    fake.run()
    assert ran == [0, 1, 2, 2, 3, 3]
    assert (fake.stats().processed, fake.stats().failed) == (3, 2)


@pytest.mark.behaviour("I2")
def test_an_error_without_progress_is_an_ordinary_failure(fake: Fake) -> None:
    Stumble.perform_later(at=[0])
    with pytest.raises(Wrong):
        fake.run()
    failed = fake.only
    assert (failed.executions, failed.retry_count) == (1, 0)
    assert [each.payload for each in fake.jobs(State.RETRY).items] == [failed]


@pytest.mark.behaviour("I2")
def test_a_rule_that_discards_holds_after_progress_too(fake: Fake) -> None:
    @discard_on(Wrong)
    class Gone(Stumble):
        pass

    Gone.perform_later(at=[2])
    fake.run()
    assert fake.stats().enqueued == 0
    assert ran == [0, 1, 2]


@pytest.mark.behaviour("I2")
def test_what_a_job_says_of_itself_holds_after_progress_too(fake: Fake) -> None:
    class Enough(Job):
        def perform(self) -> None:
            self.step("one", lambda: None)
            raise DiscardJob("enough")

    Enough.perform_later()
    fake.run()
    assert fake.waiting() == []


@pytest.mark.behaviour("I2")
def test_a_retry_goes_on_at_the_cursor(fake: Fake) -> None:
    @retry_on(Wrong, wait=60, attempts=3)
    class Twice(Job):
        def perform(self) -> None:
            self.step("items", self.items)

        def items(self, step: Step[int]) -> None:
            for item in step.each(range(3)):
                ran.append(item)
                if item == 1 and ran.count(1) < 3:
                    raise Wrong

    Twice.perform_later()
    fake.run()
    assert fake.steps == {"at": "items", "cursor": 1, "resumed": 1}
    fake.run()  # no progress: by the rule
    assert fake.only.executions == 1
    assert fake.steps == {"at": "items", "cursor": 1, "resumed": 1}
    fake.run()
    assert ran == [0, 1, 1, 1, 2]


def test_the_steps_of_a_dead_job_are_kept_for_its_next_life(fake: Fake, stop: Stop) -> None:
    class Last(Job, retry=0):
        def perform(self) -> None:
            self.step("good", lambda: ran.append("good"))
            self.step("bad", self.bad)

        def bad(self) -> None:
            raise Wrong

    Last.perform_later()
    fake.run()
    with pytest.raises(Wrong):
        fake.run()
    [dead] = fake.jobs(State.DEAD).items
    assert dead.payload.fields["steps"]["done"] == ["good"]


@pytest.mark.behaviour("I3")
@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (lambda job: [job.step("a", str), job.step("a", str)], "comes twice"),
        (lambda job: job.step("a", lambda: job.step("b", str)), "inside of step 'a'"),
        (lambda job: job.step(7, str), "name is text"),
        (lambda job: job.step("", str), "name is text"),
        (lambda job: job.step("a", 7), "no function or method"),
        (lambda job: job.step("a", "missing"), "no function or method"),
        (lambda job: job.step("a", lambda one, two: None), "takes more than the step"),
    ],
    ids=["twice", "nested", "no text", "no name", "no function", "no method", "two parameters"],
)
def test_a_step_that_cannot_be_is_an_error_of_its_own(
    fake: Fake, steps: Callable[[Job], object], says: str
) -> None:
    class Odd(Job, retry=0):
        def perform(self) -> None:
            steps(self)

    Odd.perform_later()
    with pytest.raises(InvalidStep, match=says):
        fake.run()
    [dead] = fake.jobs(State.DEAD).items
    assert dead.payload.fields["error_class"] == "jobkit.errors.InvalidStep"


@pytest.mark.behaviour("I3")
@pytest.mark.parametrize("order", [["b", "a"], ["new", "a", "b"]])
def test_steps_in_another_order_than_before_are_an_error(
    fake: Fake, stop: Stop, order: list[str]
) -> None:
    names = ["a", "b"]

    class Changing(Job, retry=0):
        def perform(self) -> None:
            for name in names:
                self.step(name, lambda: None)

    Changing.perform_later()
    stop.at(0)
    fake.run()
    names[:] = order
    with pytest.raises(InvalidStep, match="comes where 'a' came"):
        fake.run()


@pytest.mark.behaviour("I3")
def test_another_step_in_place_of_the_one_under_way_is_an_error(fake: Fake, stop: Stop) -> None:
    names = ["a"]

    class Changing(Job, retry=0):
        def perform(self) -> None:
            for name in names:
                self.step(name, lambda step: [*step.each("xyz")])

    Changing.perform_later()
    stop.at(1)
    fake.run()
    names[:] = ["b"]
    with pytest.raises(InvalidStep, match="comes where 'a' came"):
        fake.run()


@pytest.mark.behaviour("I4")
def test_an_isolated_step_shares_no_run_with_another(fake: Fake) -> None:
    runs = iter(range(9))

    class Apart(Job):
        def perform(self) -> None:
            run = next(runs)
            for name in ("a", "b", "alone", "c", "d"):
                self.step(name, lambda name=name: ran.append((name, run)), isolated=name == "alone")

    Apart.perform_later()
    fake.drain()
    assert ran == [("a", 0), ("b", 0), ("alone", 1), ("c", 2), ("d", 2)]


@pytest.mark.behaviour("I5")
def test_too_many_resumptions_are_an_error_of_their_own(fake: Fake, stop: Stop) -> None:
    told: list[BaseException] = []

    @discard_on(ResumeLimitReached)
    class Limited(Count, max_resumptions=2):
        @after_discard
        def tell(self, error: BaseException) -> None:
            told.append(error)

    Limited.perform_later(9)
    for _ in range(3):
        stop.at(0)
        fake.run()
    assert ran == [0, 1, 2]
    assert [type(error) for error in told] == [ResumeLimitReached]
    assert fake.waiting() == []


@pytest.mark.behaviour("I5")
def test_the_limit_counts_failures_after_progress_too(fake: Fake) -> None:
    class Limited(Stumble, max_resumptions=0, retry=0):
        pass

    Limited.perform_later(at=[2])
    with pytest.raises(ResumeLimitReached) as caught:
        fake.run()
    assert isinstance(caught.value.__cause__, Wrong)


@pytest.mark.behaviour("I6")
def test_hooks_are_told_of_start_stop_resumption_and_completion(fake: Fake, stop: Stop) -> None:
    class Told(Count):
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

    Told.perform_later(2)
    stop.at(0)
    fake.run()
    stop.never()
    fake.run()
    assert ran == ["start", 0, "stop", "resume", 1, "stop", "complete"]


@pytest.mark.behaviour("I6")
def test_a_hook_that_raises_at_the_end_harms_nobody(fake: Fake) -> None:
    class Broken(Two):
        @on_stop
        def stopped(self) -> None:
            raise Wrong

        @on_complete
        def completed(self) -> None:
            ran.append("complete")

    Broken.perform_later()
    fake.run()
    assert ran == ["first", "second", "complete"]
    assert fake.stats().failed == 0


def test_a_cursor_that_moves_is_stored_every_five_seconds(fake: Fake, clock: ManualClock) -> None:
    seen: list[Any] = []

    class Watched(Job):
        def perform(self) -> None:
            self.step("items", self.items)

        def items(self, step: Step[int]) -> None:
            for _ in step.each(range(10)):
                clock.advance(2)
                seen.append((fake.steps or {}).get("cursor"))

    Watched.perform_later()
    fake.run()
    assert seen == [None, None, None, 3, 3, 3, 6, 6, 6, 9]


def test_what_is_done_is_stored_before_the_next_step(fake: Fake) -> None:
    class Watched(Job):
        def perform(self) -> None:
            self.step("one", lambda: None)
            self.step("two", lambda: ran.append(fake.steps))

    Watched.perform_later()
    fake.run()
    assert ran == [{"done": ["one"]}]


def test_what_gets_on_is_no_suspect_any_more(fake: Fake) -> None:
    class Watched(Job):
        def perform(self) -> None:
            self.step("one", lambda: ran.append(fake.only.deliveries))
            self.step("two", lambda: ran.append(fake.only.deliveries))

    Watched.perform_later()
    [stored] = fake.waiting()
    fake.discard_and_store(stored.payload.replace(deliveries=2))
    fake.run()
    assert ran == [2, 0]


def test_a_job_under_way_does_not_expire(fake: Fake, stop: Stop, clock: ManualClock) -> None:
    Two.set(expires_in=60).perform_later()
    stop.at(0)
    fake.run()
    clock.advance(3600)
    fake.run()
    assert ran == ["first", "second"]


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number


@pytest.mark.behaviour("I1")
def test_coroutines_have_steps_that_are_awaited(fake: Fake, stop: Stop) -> None:
    class Async(Job):
        async def perform(self) -> None:
            await self.step("one", self.one)
            await self.step("numbers", self.numbers)
            self.step("last", lambda: ran.append("last"))

        async def one(self) -> None:
            ran.append("one")

        async def numbers(self, step: Step[int]) -> None:
            async for number in step.each(numbers()):
                ran.append(number)  # noqa: PERF401 - as above

    Async.perform_later()
    stop.at(2)
    fake.run()
    assert ran == ["one", 0, 1]
    stop.never()
    fake.run()
    assert ran == ["one", 0, 1, 2, "last"]
