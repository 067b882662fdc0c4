"""Recurring jobs in an application's tests: the fake adapter keeps entries and runs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import jobkit
from jobkit import Job, Unique
from jobkit.entries import declared
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


@pytest.mark.usefixtures("fake")
class TestDrain:
    @pytest.fixture(autouse=True)
    def _no_runs(self) -> None:
        Report.ran = 0

    def test_entries_tick_until_the_moment_that_is_given(self) -> None:
        jobkit.recurring.add("hourly", "0 * * * *", Report, args=["hall"])
        assert drain(until=timedelta(days=1)) == 24
        assert Report.ran == 24
        assert drain(until=timedelta(hours=2)) == 2

    def test_each_tick_comes_at_its_time_among_the_jobs_that_fall_due(
        self, fake: FakeAdapter
    ) -> None:
        start = datetime(2100, 5, 1, 10, 30, tzinfo=UTC)
        drain(until=start)
        jobkit.recurring.add("hourly", "0 * * * *", Report, args=["hall"])
        Lone.perform_in(timedelta(minutes=45), "between")
        assert drain(until=start + timedelta(hours=2)) == 3
        places = [payload.args[0] for payload in fake.performed()]
        [entry] = jobkit.recurring.list()
        assert [run.at.hour for run in entry.runs] == [12, 11]
        assert places == ["hall", "between", "hall"]

    def test_a_tick_at_the_very_moment_is_in(self) -> None:
        start = datetime(2100, 5, 1, 10, 59, 59, tzinfo=UTC)
        drain(until=start)
        jobkit.recurring.add("hourly", "0 * * * *", Report, args=["hall"])
        assert drain(until=start + timedelta(seconds=1)) == 1

    def test_without_an_end_nothing_recurs(self) -> None:
        jobkit.recurring.add("hourly", "0 * * * *", Report, args=["hall"])
        assert drain() == 0

    def test_a_paused_entry_does_not_tick(self) -> None:
        jobkit.recurring.add("hourly", "0 * * * *", Report, args=["hall"])
        jobkit.recurring.pause("hourly")
        assert drain(until=timedelta(days=1)) == 0
        jobkit.recurring.resume("hourly")
        assert drain(until=timedelta(hours=3)) == 3

    def test_what_is_declared_ticks_when_that_is_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(declared, "_declared", {})
        jobkit.recurring("0 3 * * *", args=["declared"])(Report)
        assert drain(until=timedelta(days=2)) == 0
        assert drain(until=timedelta(days=2), recurring=True) == 2
        with pytest.raises(ValueError, match="needs until"):
            drain(recurring=True)
