"""Totals that are slow to count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobkit.capabilities import Stats
from jobkit.dashboard.totals import MANY, Totals


class Counted:
    """An inspector that takes its time, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dead: int, takes: float) -> None:
        self.now, self.takes, self.asked = 1_000.0, takes, 0
        self.stats_now = Stats(dead=dead)
        monkeypatch.setattr("jobkit.dashboard.totals.time.monotonic", lambda: self.now)

    def stats(self) -> Stats:
        self.asked += 1
        self.now += self.takes
        return replace(self.stats_now, processed=self.asked)


def told(counted: Any, known: Totals) -> int:
    return known.of(counted).processed


def test_many_are_told_again_for_as_long_as_they_were_slow_to_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted, known = Counted(monkeypatch, dead=MANY, takes=0.1), Totals()
    assert [told(counted, known), told(counted, known)] == [1, 1]
    counted.now += 1.9
    assert told(counted, known) == 1
    counted.now += 0.2
    assert told(counted, known) == 2


def test_never_longer_than_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, known = Counted(monkeypatch, dead=MANY, takes=60), Totals()
    told(counted, known)
    counted.now += 5.1
    assert told(counted, known) == 2


def test_few_are_counted_each_time_however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, known = Counted(monkeypatch, dead=MANY - 1, takes=1), Totals()
    assert [told(counted, known), told(counted, known)] == [1, 2]
