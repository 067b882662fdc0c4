"""Totals that are slow to count."""

from __future__ import annotations

import threading
import time
from datetime import date, timedelta
from typing import Any

import pytest

from jobkit import AdapterError
from jobkit.capabilities import DayStats, Stats
from jobkit.dashboard.totals import MANY, Totals
from tests.web.conftest import Client, Store

TODAY = date(2026, 3, 14)


class Counted:
    """An inspector that takes its time, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dead: int, takes: float) -> None:
        self.now, self.takes, self.asked = 1_000.0, takes, 0
        self.dead = dead
        self.today = TODAY
        self.runs = {TODAY: 0}
        self.held = threading.Event()
        self.held.set()
        self.broken = False
        monkeypatch.setattr("jobkit.dashboard.totals.time.monotonic", lambda: self.now)

    def stats(self) -> Stats:
        self.asked += 1
        assert self.held.wait(30)
        if self.broken:
            raise AdapterError("the store is away")
        self.now += self.takes
        return Stats(dead=self.dead, processed=100 + sum(self.runs.values()))

    def history(self, days: int) -> list[DayStats]:
        wanted = [self.today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
        return [DayStats(day, self.runs.get(day, 0), 0) for day in wanted]


@pytest.fixture
def totals() -> Totals:
    return Totals()


def told(counted: Any, totals: Totals) -> int:
    return totals.of(counted).stats.dead


def eventually(counted: Any, totals: Totals, dead: int) -> None:
    until = time.perf_counter() + 30
    while told(counted, totals) != dead:
        assert time.perf_counter() < until
        time.sleep(0.001)


def test_many_are_told_again_for_as_long_as_they_were_slow_to_count(
    monkeypatch: pytest.MonkeyPatch, totals: Totals
) -> None:
    counted = Counted(monkeypatch, dead=MANY, takes=0.1)
    assert told(counted, totals) == MANY
    counted.dead += 1
    counted.now += 1.9
    assert totals.of(counted).stats.dead == MANY  # type: ignore[arg-type]
    assert counted.asked == 1
    counted.now += 0.2
    eventually(counted, totals, MANY + 1)
    assert counted.asked == 2


def test_never_longer_than_five_seconds(monkeypatch: pytest.MonkeyPatch, totals: Totals) -> None:
    counted = Counted(monkeypatch, dead=MANY, takes=60)
    told(counted, totals)
    counted.dead += 1
    counted.now += 5.1
    eventually(counted, totals, MANY + 1)


def test_few_are_counted_each_time_however_slow(
    monkeypatch: pytest.MonkeyPatch, totals: Totals
) -> None:
    counted = Counted(monkeypatch, dead=MANY - 1, takes=1)
    for asked in (1, 2):
        told(counted, totals)
        assert counted.asked == asked


def test_nobody_waits_for_the_next_count(monkeypatch: pytest.MonkeyPatch, totals: Totals) -> None:
    counted = Counted(monkeypatch, dead=MANY, takes=0.1)
    told(counted, totals)
    counted.held.clear()
    counted.now += 3_600
    for _ in range(3):
        answer = totals.of(counted)  # type: ignore[arg-type]
        assert (answer.stats.dead, round(answer.age)) == (MANY, 3_600)
    until = time.perf_counter() + 30
    while counted.asked < 2:
        assert time.perf_counter() < until
        time.sleep(0.001)
    told(counted, totals)
    assert counted.asked == 2, "one counts at a time"
    counted.dead = 7
    counted.held.set()
    eventually(counted, totals, 7)


def test_what_ran_is_told_at_once_over_midnight_too(
    monkeypatch: pytest.MonkeyPatch, totals: Totals
) -> None:
    counted = Counted(monkeypatch, dead=MANY, takes=0.1)
    counted.runs[TODAY] = 40
    assert totals.of(counted).stats.processed == 140  # type: ignore[arg-type]
    counted.runs[TODAY] += 2
    assert totals.of(counted).stats.processed == 142  # type: ignore[arg-type]
    counted.today += timedelta(days=1)
    counted.runs[counted.today] = 5
    assert totals.of(counted).stats.processed == 147  # type: ignore[arg-type]


def test_a_count_that_failed_is_made_again(monkeypatch: pytest.MonkeyPatch, totals: Totals) -> None:
    counted = Counted(monkeypatch, dead=MANY, takes=0.1)
    told(counted, totals)
    counted.broken = True
    counted.now += 60
    assert told(counted, totals) == MANY
    until = time.perf_counter() + 30
    while counted.asked < 3:
        told(counted, totals)
        assert time.perf_counter() < until
    counted.broken = False
    counted.dead = 3
    eventually(counted, totals, 3)


def test_pages_say_how_old_their_totals_are(
    client: Client, full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = client()
    assert browser.get("/stats.json").headers["age"] == "0"
    for place in ("/", "/dead", "/limits"):
        assert "counted" not in browser.get(place).text
    monkeypatch.setattr("jobkit.dashboard.totals.MANY", 1)
    monkeypatch.setattr("jobkit.dashboard.totals.SLOW", 0.0)
    now = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr("jobkit.dashboard.totals.time.monotonic", lambda: now)
        browser.get("/")
        patch.setattr("jobkit.dashboard.totals.time.monotonic", lambda: now + 4)
        patch.setattr("jobkit.dashboard.totals.threading.Thread", _Idle)
        for place in ("/", "/dead", "/limits"):
            assert "counted 4 s ago" in browser.get(place).text
        assert browser.get("/stats.json").headers["age"] == "4"


class _Idle:
    """A thread that does nothing."""

    def __init__(self, **_: object) -> None: ...

    def start(self) -> None: ...
