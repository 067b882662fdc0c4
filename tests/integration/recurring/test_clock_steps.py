"""Recurring jobs while the clock is set: schedulers that die and come, on each store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.entries import RecurringEntries
from jobkit.entries.entry import Entry
from jobkit.entries.jobs import tick_id
from jobkit.entries.ticker import Ticker
from jobkit.testing import ManualClock
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.integration.worker.site import Site

SCHEDULERS = 8
HOUR = 3_600
ENTRY = Entry(name="secondly", cron="* * * * * *", job="app.Count", args=(1,), queue="kept")

Steps = list[int]


class Schedulers:
    """Eight of them at once, each with connections of its own, under one clock."""

    def __init__(self, connect: Callable[[], SqlAdapter | RedisAdapter]) -> None:
        self._connect = connect
        self._alive = [connect() for _ in range(SCHEDULERS)]
        RecurringEntries(self._alive[0]).add(ENTRY)

    def look(self) -> None:
        """All of them, at the same time."""
        tickers = [Ticker(adapter, owner="") for adapter in self._alive]
        with ThreadPoolExecutor(SCHEDULERS) as threads:
            list(threads.map(Ticker.look, tickers))

    def replace_one(self) -> None:
        self._alive.pop(0).close()
        self._alive.append(self._connect())

    def enqueued(self) -> list[StoredJob]:
        return list(self._alive[0].jobs(State.ENQUEUED, limit=10_000).items)

    def close(self) -> None:
        for adapter in self._alive:
            adapter.close()


@pytest.mark.behaviour("H10")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([1] * 5 + [HOUR] + [1] * 5, id="an hour forward"),
        pytest.param([1] * 5 + [-HOUR] + [1] * 5, id="an hour back"),
        pytest.param([1] * 3 + [-HOUR] + [1] * 3 + [HOUR] + [1] * 3, id="back and forth"),
        pytest.param([1] * 3 + [HOUR] + [1] * 3 + [-HOUR] + [1] * 3, id="forth and back"),
    ],
)
def test_ticks_and_enqueues_are_the_same_whatever_is_done_to_the_clock(
    any_site: Site, steps: Steps
) -> None:
    clock = ManualClock()
    schedulers = Schedulers(partial(type(any_site.store), any_site.url, clock=clock))
    latest, ticks = int(clock.time()), list[int]()
    for step in steps:
        clock.step(step)
        schedulers.look()
        schedulers.replace_one()
        now = int(clock.time())
        # What is on time is due, but never a tick that is not behind the latest.
        ticks += range(max(latest, now - 6) + 1, now + 1)
        latest = max(latest, now)
    jobs = [job.payload.id for job in schedulers.enqueued()]
    schedulers.close()
    assert sorted(jobs) == sorted(tick_id("secondly", float(tick)) for tick in ticks)
