"""Unique jobs in an application's tests: the fake and the inline adapter hold them as stores do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobkit import Job, Unique
from jobkit_inline import FakeAdapter, InlineAdapter, drain, enqueued_jobs, use_adapter
from jobkit_inline import perform_enqueued_jobs as perform


class Sync(Job, unique=Unique()):
    ran = 0

    def perform(self, user_id: int) -> None:
        Sync.ran += 1


class Latest(Sync, unique=Unique(by=(), on_conflict="replace")):
    pass


class Nested(Job, unique=Unique()):
    told: str | None = None

    def perform(self) -> None:
        Nested.told = Nested.perform_later().duplicate_of


@pytest.fixture(autouse=True)
def _none_ran() -> None:
    Sync.ran = 0


class TestFake:
    @pytest.mark.usefixtures("fake")
    def test_an_equal_job_is_not_recorded_until_the_first_has_run(self) -> None:
        first, second = Sync.perform_later(1), Sync.perform_later(1)
        assert second.duplicate_of == first.id
        assert [job.id for job in enqueued_jobs()] == [first.id]
        assert perform() == 1
        assert Sync.perform_later(1).successfully_enqueued

    @pytest.mark.usefixtures("fake")
    def test_a_replaced_job_is_gone(self) -> None:
        Latest.perform_in(60, 1)
        second = Latest.perform_in(90, 2)
        assert [job.id for job in enqueued_jobs()] == [second.id]
        assert drain() == Sync.ran == 1

    def test_a_period_ends_with_the_virtual_time(self, fake: FakeAdapter) -> None:
        hourly = Sync.set(unique=Unique(until=timedelta(hours=1)))
        hourly.perform_later(1)
        drain()
        assert not hourly.perform_later(1).successfully_enqueued
        drain(until=fake.now() + 3601)
        assert hourly.perform_later(1).successfully_enqueued

    def test_nothing_is_held_after_all_is_cleared(self, fake: FakeAdapter) -> None:
        for until in ("success", timedelta(hours=1)):
            some = Sync.set(unique=Unique(until=until))
            some.perform_later(1)
            fake.clear()
            assert some.perform_later(1).successfully_enqueued


class TestInline:
    def test_a_job_that_has_run_keeps_nobody_out(self) -> None:
        with use_adapter(InlineAdapter()):
            assert Sync.perform_later(1).successfully_enqueued
            assert Sync.perform_later(1).successfully_enqueued
        assert Sync.ran == 2

    def test_a_job_that_runs_keeps_its_equal_out(self) -> None:
        with use_adapter(InlineAdapter()):
            job = Nested.perform_later()
        assert Nested.told == job.id
