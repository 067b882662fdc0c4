"""Cron expressions: which moments they name, and where the clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cron import ALIASES, Schedule

ZONES = (
    "Africa/Cairo", "America/Asuncion", "America/Havana", "America/New_York", "America/Nuuk",
    "America/Santiago", "America/Sao_Paulo", "America/St_Johns", "Antarctica/Troll",
    "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu", "Asia/Tehran", "Atlantic/Azores",
    "Australia/Adelaide", "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin",
    "Pacific/Apia", "Pacific/Chatham",
)  # fmt: skip


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def following(cron: str, zone: str, after: str, count: int) -> list[str]:
    moments = [at(after)]
    for _ in range(count):
        found = Schedule(cron, zone).next(moments[-1])
        assert found is not None
        moments.append(found)
    return [datetime.fromtimestamp(each, ZoneInfo(zone)).isoformat() for each in moments[1:]]


@pytest.mark.behaviour("H9")
@pytest.mark.parametrize(
    ("cron", "first", "second"),
    [
        ("30 4 1 * *", "2026-12-01T04:30", "2027-01-01T04:30"),
        ("*/20 * * * *", "2026-11-24T12:20", "2026-11-24T12:40"),
        ("0 9-17/4 * * *", "2026-11-24T13:00", "2026-11-24T17:00"),
        ("0 8 * * MON-FRI", "2026-11-25T08:00", "2026-11-26T08:00"),
        ("0 0 * * 7", "2026-11-29T00:00", "2026-12-06T00:00"),
        ("0 0 13 * FRI", "2026-11-27T00:00", "2026-12-04T00:00"),
        ("0 0 L * *", "2026-11-30T00:00", "2026-12-31T00:00"),
        ("0 0 * * MON#2", "2026-12-14T00:00", "2027-01-11T00:00"),
        ("0 0 29 feb *", "2028-02-29T00:00", "2032-02-29T00:00"),
        ("15,45 5,10 12 * * *", "2026-11-24T12:05:15", "2026-11-24T12:05:45"),
        ("*/30 * * * * *", "2026-11-24T12:00:30", "2026-11-24T12:01"),
        ("@hourly", "2026-11-24T13:00", "2026-11-24T14:00"),
        ("@Daily", "2026-11-25T00:00", "2026-11-26T00:00"),
    ],
)
def test_names_the_moments_that_follow(cron: str, first: str, second: str) -> None:
    schedule = Schedule(cron)
    assert schedule.next(at("2026-11-24T12:00+00:00")) == at(f"{first}+00:00")
    assert schedule.next(at(f"{first}+00:00")) == at(f"{second}+00:00")


def test_every_alias_is_an_expression() -> None:
    for alias in ALIASES:
        assert Schedule(alias).next(0.0) is not None


@pytest.mark.behaviour("H9")
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 30 2 * * *"])
def test_a_time_that_is_skipped_comes_right_after_the_jump(cron: str) -> None:
    assert following(cron, "Europe/Berlin", "2026-03-28T12:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


@pytest.mark.behaviour("H9")
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 30 2 * * *"])
def test_a_time_that_comes_twice_ticks_once(cron: str) -> None:
    assert following(cron, "Europe/Berlin", "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


@pytest.mark.behaviour("H9")
def test_every_second_of_a_skipped_minute_comes_after_the_jump() -> None:
    assert following("15,45 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 3) == [
        "2026-03-29T03:00:15+02:00",
        "2026-03-29T03:00:45+02:00",
        "2026-03-30T02:30:15+02:00",
    ]


@pytest.mark.behaviour("H9")
def test_what_ticks_within_hours_goes_on_as_time_does() -> None:
    found = following("*/30 * * * *", "Europe/Berlin", "2026-10-25T02:00+02:00", 4)
    assert found == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


@pytest.mark.behaviour("H9")
@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    day=st.datetimes(datetime(2019, 1, 1), datetime(2031, 1, 1)),  # noqa: DTZ001 - a zone follows
    seconds=st.booleans(),
)
def test_a_time_of_day_comes_once_each_day_in_every_zone(
    zone: str, minute: int, hour: int, day: datetime, *, seconds: bool
) -> None:
    """Though clocks jump by 30 or 60 minutes, forward or back, at any hour."""
    schedule = Schedule(f"{'0 ' if seconds else ''}{minute} {hour} * * *", zone)
    start = day.replace(tzinfo=UTC).timestamp()
    ticks = schedule.between(start, start + 30 * 86_400, limit=1_000)
    dates = [datetime.fromtimestamp(tick, ZoneInfo(zone)).date() for tick in ticks]
    assert all(later - earlier <= timedelta(days=2) for earlier, later in pairwise(dates))
    assert len(set(dates)) == len(dates)
    assert 29 <= len(ticks) <= 31
    assert all(earlier < later for earlier, later in pairwise(ticks))


@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(1_550_000_000, 1_900_000_000),
    cron=st.sampled_from(["* * * * *", "*/7 * * * *", "*/20 */2 * * *", "17 */3 * * *"]),
)
def test_one_by_one_gives_what_all_at_once_gives(zone: str, start: int, cron: str) -> None:
    schedule = Schedule(cron, zone)
    until = start + 6 * 3_600
    moment, one_by_one = schedule.next(start), list[float]()
    while moment is not None and moment <= until:
        one_by_one.append(moment)
        moment = schedule.next(moment)
    assert schedule.between(start, until, limit=10_000) == one_by_one
    assert schedule.between(start, until, limit=3) == one_by_one[-3:]


@pytest.mark.parametrize(
    "cron", ["", "soon", "* * * *", "61 * * * *", "* * 31 2 *", "@never", "* * * * * * *"]
)
def test_what_is_no_expression_is_refused_with_what_one_looks_like(cron: str) -> None:
    with pytest.raises(ValueError, match=r"is no cron expression.*give five fields"):
        Schedule(cron)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no time zone 'Mars/Base'"):
        Schedule("* * * * *", "Mars/Base")
