"""Recurring jobs in an application's tests: the fake adapter keeps entries and runs them."""

from __future__ import annotations

import pytest

import jobkit
from jobkit import Job, Unique
from jobkit.entries.ticker import Ticker
from jobkit_inline import FakeAdapter, assert_enqueued, drain, enqueued_jobs


class Report(Job):
    ran = 0

    def perform(self, place: str) -> None:
        Report.ran += 1


class Lone(Report, unique=Unique()):
    pass


@pytest.mark.usefixtures("fake")
def test_an_entry_is_listed_and_run_out_of_turn() -> None:
    Report.ran = 0
    jobkit.recurring.add("nightly", "0 3 * * *", Report, args=["hall"])
    assert [entry.name for entry in jobkit.recurring.list()] == ["nightly"]
    jobkit.recurring.run_now("nightly")
    assert_enqueued(Report, args=["hall"])
    assert drain() == 1
    assert Report.ran == 1


def test_a_tick_is_recorded_and_one_that_lost_is_not(fake: FakeAdapter) -> None:
    jobkit.recurring.add("often", "* * * * *", Lone, args=["hall"])
    for _ in range(2):
        fake.clock.move_to(fake.now() + 60)
        Ticker(fake, owner="").look()
    assert len(enqueued_jobs()) == 1


def test_nothing_recurs_after_all_is_cleared(fake: FakeAdapter) -> None:
    jobkit.recurring.add("nightly", "0 3 * * *", Report, args=["hall"])
    fake.clear()
    assert jobkit.recurring.list() == []
