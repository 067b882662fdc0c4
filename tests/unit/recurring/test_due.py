"""Which ticks are due: what is on time always, what is late by policy."""

from __future__ import annotations

import pytest

from jobkit.cron import Schedule
from jobkit.entries.due import MOST, due
from jobkit.entries.entry import CatchUp

NOON = 1_700_049_600.0  # 2023-11-15T12:00:00Z
MINUTELY = Schedule("* * * * *")


def ticks(
    catch_up: CatchUp, *, last: float, now: float, schedule: Schedule = MINUTELY, grace: float = 60
) -> list[float]:
    found = due(schedule, last=NOON + last, now=NOON + now, catch_up=catch_up, grace=grace)
    return [tick - NOON for tick in found]


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_a_tick_on_time_is_due_whatever_the_policy(catch_up: CatchUp) -> None:
    assert ticks(catch_up, last=0, now=59.9) == []
    assert ticks(catch_up, last=0, now=60) == [60]
    assert ticks(catch_up, last=0, now=64.9) == [60]
    assert ticks(catch_up, last=60, now=64.9) == []


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_no_tick_of_seconds_is_lost_while_a_worker_is_held_up(catch_up: CatchUp) -> None:
    secondly = Schedule("* * * * * *")
    assert ticks(catch_up, last=0, now=3.4, schedule=secondly) == [1, 2, 3]


@pytest.mark.behaviour("H10")
def test_none_makes_up_for_nothing() -> None:
    assert ticks("none", last=0, now=66) == []
    assert ticks("none", last=0, now=3_610) == []
    assert ticks("none", last=0, now=3_601) == [3_600]


@pytest.mark.behaviour("H10")
def test_last_makes_up_for_the_last_tick_inside_the_grace() -> None:
    assert ticks("last", last=0, now=3_600 + 59) == [3_600]
    hourly = Schedule("0 * * * *")
    assert ticks("last", last=0, now=3_600 + 59, schedule=hourly) == [3_600]
    assert ticks("last", last=0, now=3_600 + 61, schedule=hourly) == []
    assert ticks("last", last=0, now=9_000, schedule=hourly, grace=3_600) == [7_200]


def test_all_makes_up_for_everything_but_not_without_bound() -> None:
    assert ticks("all", last=0, now=600) == [60 * nth for nth in range(1, 11)]
    found = ticks("all", last=0, now=86_400)
    assert len(found) == MOST
    assert found[-1] == 86_400


@pytest.mark.behaviour("H10")
@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_a_clock_that_was_set_back_ticks_nothing_again(catch_up: CatchUp) -> None:
    assert ticks(catch_up, last=3_600, now=120) == []
