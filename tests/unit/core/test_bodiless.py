"""Classes without `perform`: bases of others, of which there can be no jobs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

import jobkit
from jobkit import ConfigurationError, Job, discard_on
from jobkit.entries import own_entries
from jobkit.entries.declared import forget
from jobkit.jobs import check_classes, constant_queues
from jobkit.outcome import Retried, Succeeded
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, Store

REFUSAL = r"^Import has no perform: define it there, or enqueue a subclass that defines it"


class Import(Job, queue="imports"):
    """What the application's imports have in common."""

    def rows(self) -> list[str]:
        return ["one"]


@pytest.mark.behaviour("D1")
@pytest.mark.parametrize(
    "enqueue",
    [
        lambda: Import.perform_later("x"),
        lambda: Import.perform_in(60),
        lambda: Import.set(queue="low").perform_later(),
        lambda: Import.perform_bulk([("x",), ("y",)]),
        lambda: Import.set(priority=1).perform_bulk([()]),
        Import.perform_now,
        lambda: jobkit.perform_all_later([Import.new()]),
        lambda: asyncio.run(Import.aperform_later()),
    ],
)
def test_its_jobs_are_refused_where_they_are_made(store: Store, enqueue: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=REFUSAL):
        enqueue()
    assert store.stored == []


def test_job_itself_is_one() -> None:
    with pytest.raises(TypeError, match="Job has no perform"):
        Job.perform_later()


def test_an_abstract_perform_is_none(store: Store) -> None:
    class Abstract(Job, ABC):
        @abstractmethod
        def perform(self, number: int) -> None: ...

    class Concrete(Abstract):
        def perform(self, number: int) -> None: ...

    with pytest.raises(TypeError, match="Abstract has no perform"):
        Abstract.perform_bulk([(1,)])
    Concrete.perform_later(1)
    assert store.only.job_class.endswith("Concrete")


def test_a_perform_of_another_base_or_that_comes_later_is_one(clock: ManualClock) -> None:
    class Body:
        def perform(self) -> None: ...

    class Mixed(Body, Job): ...

    class Late(Job): ...

    setattr(Late, "perform", lambda self: None)  # noqa: B010 - as a class decorator may
    for job_class in (Mixed, Late):
        assert isinstance(Life(clock, job_class).run(), Succeeded)


def test_it_may_be_declared_with_all_that_others_inherit() -> None:
    assert not [problem for problem in check_classes() if "Import" in problem]
    assert "imports" in constant_queues()


def test_a_recurring_entry_of_it_is_refused_by_name() -> None:
    jobkit.recurring("* * * * *", name="hourly import")(Import)
    try:
        with pytest.raises(
            ConfigurationError, match="recurring entry 'hourly import': Import has no perform"
        ):
            own_entries("default")
    finally:
        forget("hourly import")


def test_a_configured_entry_of_it_is_refused_by_place() -> None:
    jobkit.configure(recurring={"nightly": {"cron": "0 3 * * *", "job": Import._name}})
    with pytest.raises(ConfigurationError, match=r"recurring.*Import has no perform"):
        own_entries("default")


def test_a_job_of_it_that_came_from_elsewhere_is_kept_and_tried_again(clock: ManualClock) -> None:
    """As if the class were not here, whatever it says: where it was stored it had a body."""

    class WithBody(Job, name="Report"):
        def perform(self, number: int) -> None: ...

    life = Life(clock, WithBody, 7)

    @discard_on(Exception)
    class Without(Job, ABC, name="Report", retry=False):
        @abstractmethod
        def perform(self, number: int) -> None: ...

    outcome = life.run()
    assert isinstance(outcome, Retried)
    assert outcome.failure is not None
    assert outcome.failure.error_class == "jobkit.errors.UnknownJob"
    assert outcome.failure.message == (
        "the class Report has no perform here: deploy the code in which it has one; the job is "
        "kept and tried again"
    )
    assert life.payload.args == [7]
