"""Recurring jobs that are unique: a tick obeys like an enqueue."""

from __future__ import annotations

import pytest

import jobkit
from jobkit import Job, Unique
from jobkit.adapter import State
from jobkit.entries.ticker import Ticker
from jobkit.testing import ManualClock
from jobkit_inline import MemoryAdapter


class Sweep(Job, queue="sweeps", unique=Unique()):
    def perform(self, room: str) -> None: ...


def enqueued(store: MemoryAdapter) -> list[str]:
    return [job.payload.id for job in store.jobs(State.ENQUEUED).items]


def test_a_tick_beside_an_equal_job_enqueues_nothing_and_is_over(
    store: MemoryAdapter, clock: ManualClock
) -> None:
    jobkit.recurring.add("sweep", "* * * * *", Sweep, args=["hall"])
    waiting = Sweep.perform_later("hall")
    clock.advance(60)
    Ticker(store, owner="app").look()
    assert enqueued(store) == [waiting.id]
    assert store.entries()[1][0].last > 0


def test_a_scheduler_that_does_not_know_the_class_obeys_too(
    store: MemoryAdapter, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobkit.recurring.add("sweep", "* * * * *", Sweep, args=["hall"])
    waiting = Sweep.perform_later("hall")
    monkeypatch.setattr("jobkit.jobs.registry._classes", {})
    clock.advance(60)
    Ticker(store, owner="app").look()
    assert enqueued(store) == [waiting.id]


def test_a_run_out_of_turn_names_the_job_that_is_there(store: MemoryAdapter) -> None:
    jobkit.recurring.add("sweep", "* * * * *", Sweep, args=["hall"])
    waiting = Sweep.perform_later("hall")
    assert jobkit.recurring.run_now("sweep") == waiting.id
    assert enqueued(store) == [waiting.id]
