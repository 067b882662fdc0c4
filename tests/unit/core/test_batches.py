"""Batches as an application uses them, on the fake and the inline adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import jobkit
from jobkit import Batch, BatchFinished, DiscardJob, Job, chain, current_batch, retry_on
from jobkit.errors import ConfigurationError
from jobkit_inline import (
    FakeAdapter,
    InlineAdapter,
    assert_enqueued,
    assert_no_enqueued,
    drain,
    enqueued_jobs,
    perform_enqueued_jobs,
    use_adapter,
)

told: list[tuple[str, Any]] = []


class Failed(Exception):
    pass


class Member(Job, retry=0):
    def perform(self, what: str = "well") -> None:
        told.append(("member", what))
        if what == "fail":
            raise Failed
        if what == "discard":
            raise DiscardJob


@retry_on(Failed, attempts=3)
class Recovering(Job):
    def perform(self) -> None:
        if self.executions < 2:
            raise Failed


class Told(Job):
    def perform(self, what: str) -> None:
        told.append((what, self.batch and self.batch.id))


class Adding(Job):
    def perform(self) -> None:
        batch = self.batch
        assert batch is not None
        with batch:
            Member.perform_later("added")


class Nesting(Job):
    def perform(self) -> None:
        with Batch("inner", on_success=Told.new("inner success")):
            Member.perform_later("inner")


@pytest.fixture
def fake() -> Iterator[FakeAdapter]:
    told.clear()
    with use_adapter(FakeAdapter()) as adapter:
        yield adapter


pytestmark = pytest.mark.usefixtures("fake")


def batch(description: str = "", **options: Any) -> Batch:
    return Batch(
        description,
        on_success=Told.new("success"),
        on_failure=Told.new("failure"),
        on_finish=Told.new("finish"),
        **options,
    )


def callbacks() -> list[str]:
    return [what for what, _ in told if what != "member"]


def test_what_is_enqueued_inside_the_block_is_stored_when_it_is_left_and_its_callbacks_follow() -> (
    None
):
    with batch("three jobs") as made:
        later = Member.perform_later("later")
        Member.perform_bulk([("bulk",)])
        by_name = jobkit.enqueue("somewhere.Else")
        inside = [each.successfully_enqueued for each in (later, by_name)]
        assert_no_enqueued()
    outside = [each.successfully_enqueued for each in (later, by_name)]
    assert (inside, outside) == ([None, None], [True, True])
    status = made.status()
    assert (status.description, status.total, status.pending) == ("three jobs", 3, 3)
    perform_enqueued_jobs(only=Member)
    assert callbacks() == []
    assert made.status().succeeded == 2


@pytest.mark.behaviour("J2")
def test_success_and_finish_come_when_all_have_succeeded() -> None:
    with batch() as made:
        Member.perform_later()
        Member.perform_later()
    drain()
    assert callbacks() == ["success", "finish"]
    assert made.status().finished_at is not None
    assert {batch for what, batch in told if what != "member"} == {made.id}


@pytest.mark.behaviour("J1", "J2")
def test_a_failure_comes_at_once_and_the_finish_when_all_have_ended() -> None:
    with batch() as made:
        Member.perform_later("fail")
        Member.perform_later("fail")
        Member.perform_later("well")
    for _ in range(2):
        with pytest.raises(Failed):
            perform_enqueued_jobs(only=Member)
    assert_enqueued(Told, args=["failure"], count=1)
    assert_no_enqueued(Told, args=["finish"])
    drain()
    assert callbacks() == ["failure", "finish"]
    status = made.status()
    assert (status.succeeded, status.failed, status.pending) == (1, 2, 0)


@pytest.mark.behaviour("J2")
def test_a_member_that_fails_and_succeeds_when_it_is_retried_has_succeeded() -> None:
    with batch():
        Recovering.perform_later()
    drain()
    assert callbacks() == ["success", "finish"]


def test_a_discarded_member_has_not_failed() -> None:
    with batch():
        Member.perform_later("discard")
    drain()
    assert callbacks() == ["success", "finish"]


@pytest.mark.behaviour("J2")
def test_an_empty_batch_has_succeeded() -> None:
    with batch() as made:
        pass
    assert made.status().finished_at is not None
    drain()
    assert callbacks() == ["success", "finish"]


@pytest.mark.behaviour("J5")
def test_a_dead_member_that_is_run_again_and_succeeds_makes_up_for_its_failure() -> None:
    with batch() as made:
        Member.set(tags=["once"]).perform_later("fail")
    drain()
    assert made.status().failed == 1
    Member.perform = lambda self, what="": None  # type: ignore[method-assign]
    try:
        assert made.retry_failed() == 1
        assert made.status().finished_at is None
        drain()
    finally:
        Member.perform = _perform  # type: ignore[method-assign]
    assert callbacks() == ["failure", "finish", "success"]
    assert made.status().succeeded == 1


_perform = Member.perform


@pytest.mark.behaviour("J4")
def test_a_block_that_is_left_by_an_error_stores_nothing() -> None:
    made = batch()
    job = Member.new()
    with pytest.raises(Failed):
        _left_by_an_error(made, job)
    assert job.successfully_enqueued is False
    assert enqueued_jobs() == []
    assert Batch.find(made.id) is None


def _left_by_an_error(made: Batch, job: Job) -> None:
    with made:
        jobkit.perform_all_later([job])
        raise Failed


@pytest.mark.behaviour("J3")
def test_a_running_member_adds_members_that_delay_the_end() -> None:
    with batch() as made:
        Adding.perform_later()
    perform_enqueued_jobs(only=Adding)
    assert made.status().pending == 1
    assert callbacks() == []
    drain()
    assert callbacks() == ["success", "finish"]
    assert made.status().total == 2


def test_jobs_are_added_one_by_one_too() -> None:
    with batch() as made:
        Member.perform_later()
    made.add(Member.new("added"), Member.new("added"))
    assert made.status().total == 3


@pytest.mark.behaviour("J3")
def test_nothing_is_added_to_a_batch_that_has_finished() -> None:
    with batch() as made:
        pass
    with pytest.raises(BatchFinished, match="has finished"):
        made.add(Member.new())
    job = Member.new()
    with pytest.raises(BatchFinished), made:
        jobkit.perform_all_later([job])
    assert job.successfully_enqueued is False


def test_a_batch_opened_by_a_member_is_nested_and_so_are_its_callbacks() -> None:
    with batch() as made:
        Nesting.perform_later()
    drain()
    assert callbacks() == ["inner success", "success", "finish"]
    assert made.status().total == 3


def test_a_block_inside_a_block_is_nested() -> None:
    with batch("outer") as outer:
        with Batch("inner", on_failure=Told.new("inner failure")) as inner:
            Member.perform_later("fail")
        assert_no_enqueued()
    assert inner.parent is not None
    assert inner.parent.id == outer.id
    drain()
    assert callbacks() == ["inner failure", "failure", "finish"]


def test_a_parent_can_be_named() -> None:
    with batch("outer") as outer:
        Member.perform_later()
    with Batch("inner", parent=outer):
        Member.perform_later()
    assert outer.status().total == 2


def test_a_cancelled_batch_discards_what_waits_and_finishes_without_success() -> None:
    with batch() as made:
        Member.perform_later()
        Member.set(wait=60).perform_later()
        with Batch("inner"):
            Member.perform_later()
    assert made.cancel() == 3
    status = made.status()
    assert (status.cancelled, status.total, status.pending) == (True, 1, 0)
    drain()
    assert callbacks() == ["finish"]
    assert made.cancel() == 0
    with pytest.raises(BatchFinished, match="was cancelled"):
        made.add(Member.new())


def test_the_batch_of_the_block_or_of_the_running_job_is_the_current_one() -> None:
    assert current_batch() is None
    with batch() as made:
        assert current_batch() is made
    assert current_batch() is None


def test_a_job_that_its_callback_aborts_is_no_member() -> None:
    class Aborting(Job):
        @jobkit.before_enqueue
        def stop(self) -> None:
            raise jobkit.Abort

        def perform(self) -> None: ...

    with batch() as made:
        job = Aborting.perform_later()
    assert job.successfully_enqueued is False
    assert made.status().total == 0


def test_a_unique_job_that_loses_is_no_member() -> None:
    class Only(Job, unique=jobkit.Unique()):
        def perform(self) -> None: ...

    Only.perform_later()
    with batch() as made:
        job = Only.perform_later()
    assert job.successfully_enqueued is False
    assert made.status().total == 0


def test_a_batch_is_in_one_backend() -> None:
    with batch():
        Member.perform_later()
        with (
            use_adapter(FakeAdapter()),
            pytest.raises(ConfigurationError, match="another backend"),
        ):
            Member.perform_later()


@pytest.mark.parametrize("callback", [Told, "Told", 1])
def test_a_callback_is_a_job_made_by_new(callback: Any) -> None:
    with pytest.raises(TypeError, match=r"made by new\(\)"):
        Batch(on_success=callback)


def test_a_callback_cannot_wait() -> None:
    with pytest.raises(ValueError, match="give it no wait"):
        Batch(on_finish=Told.set(wait=5).new("finish"))


def test_a_block_is_entered_once_at_a_time() -> None:
    with batch() as made, pytest.raises(RuntimeError), made:
        pass


def test_a_large_block_hands_over_what_it_holds_and_an_error_cancels_that() -> None:
    made = batch()
    with pytest.raises(Failed):
        _left_by_an_error_late(made)
    assert enqueued_jobs() == []
    assert made.status().cancelled
    drain()
    assert callbacks() == []


def _left_by_an_error_late(made: Batch) -> None:
    with made:
        Member.perform_bulk(("many",) for _ in range(5_500))
        assert made.status().total == 5_000
        raise Failed


async def _from_asyncio() -> Batch:
    async with batch() as made:
        await Member.aperform_later()
    return made


def test_it_can_be_used_from_asyncio() -> None:
    import asyncio

    made = asyncio.run(_from_asyncio())
    assert made.status().total == 1


def test_inline_the_members_run_when_the_block_is_left_and_the_callbacks_behind_them() -> None:
    with use_adapter(InlineAdapter()):
        with batch():
            Member.perform_later()
            Nesting.perform_later()
            assert told == []
        assert callbacks() == ["inner success", "success", "finish"]


def test_inside_perform_enqueued_jobs_everything_runs_at_once() -> None:
    with perform_enqueued_jobs(), batch():
        Member.perform_later()
    assert callbacks() == ["success", "finish"]


@pytest.mark.behaviour("J1")
def test_of_a_chain_each_job_is_enqueued_when_the_one_before_it_has_succeeded() -> None:
    whole = chain(Told.new("one"), Told.new("two"), Told.new("three")).perform_later()
    assert whole.description == "chain of Told, Told, Told"
    for what in ("one", "two", "three"):
        assert_enqueued(Told, args=[what])
        assert perform_enqueued_jobs() == 1
    assert callbacks() == ["one", "two", "three"]
    assert enqueued_jobs() == []
    assert whole.status().finished_at is not None
    assert whole.status().failed == 0


def test_a_chain_stops_at_a_failure_and_goes_on_when_it_is_made_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = chain(Member.new("fail"), Told.new("two"), Told.new("three")).perform_later()
    drain()
    assert callbacks() == []
    assert whole.status().failed == 1
    monkeypatch.setattr(Member, "perform", lambda self, what: None)
    assert whole.retry_failed() == 1
    drain()
    assert callbacks() == ["two", "three"]
    assert whole.status().failed == 0


def test_a_chain_may_be_a_member_of_a_batch() -> None:
    with batch():
        chain(Member.new(), Told.new("two")).perform_later()
    drain()
    assert callbacks() == ["two", "success", "finish"]


def test_a_chain_of_one_job_is_that_job() -> None:
    chain(Told.new("one")).perform_later()
    drain()
    assert callbacks() == ["one"]


def test_a_chain_is_made_of_jobs() -> None:
    with pytest.raises(ValueError, match="at least one"):
        chain()
    with pytest.raises(ValueError, match="give it no wait"):
        chain(Told.new("one"), Told.set(wait=5).new("two"))


def test_inline_a_chain_runs_at_once() -> None:
    with use_adapter(InlineAdapter()):
        chain(Told.new("one"), Told.new("two")).perform_later()
        assert callbacks() == ["one", "two"]
