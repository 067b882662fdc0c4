"""When a child is replaced, given up or found still; what its death is called."""

from __future__ import annotations

import signal

import pytest

from jobkit.supervisor.rules import (
    Backoff,
    StallWatch,
    Stops,
    Unready,
    exit_code,
    how_it_died,
    stalled,
)


def test_behind_a_child_that_was_ready_for_a_second_the_next_starts_at_once() -> None:
    assert Backoff().died(1.0) == 0.0


def test_otherwise_the_waits_double_from_half_a_second_to_five() -> None:
    backoff = Backoff()
    assert [backoff.died(None) for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_child_that_was_ready_too_briefly_is_waited_for_too() -> None:
    backoff = Backoff()
    assert [backoff.died(0.99), backoff.died(0.0)] == [0.5, 1.0]


def test_a_hello_begins_the_waits_anew() -> None:
    backoff = Backoff()
    for _ in range(3):
        backoff.died(None)
    backoff.became_ready()
    assert backoff.died(0.5) == 0.5


def test_five_deaths_in_a_row_before_a_hello_are_too_many() -> None:
    unready = Unready()
    assert [unready.died(1) for _ in range(5)] == [False, False, False, False, True]


def test_a_hello_between_them_starts_the_count_again() -> None:
    unready = Unready()
    for _ in range(4):
        unready.died(-signal.SIGSEGV)
    unready.became_ready()
    assert not unready.died(1)


def test_sigkill_is_not_counted() -> None:
    unready = Unready()
    assert not any(unready.died(-signal.SIGKILL) for _ in range(20))


@pytest.mark.parametrize(
    ("signals", "hurries"),
    [
        ([(signal.SIGTERM, 0.0)], [False]),
        ([(signal.SIGTERM, 0.0), (signal.SIGTERM, 1.0)], [False, False]),
        ([(signal.SIGTERM, 0.0), (signal.SIGTERM, 1.1)], [False, True]),
        ([(signal.SIGINT, 0.0), (signal.SIGINT, 0.1)], [False, True]),
        ([(signal.SIGTERM, 0.0), (signal.SIGINT, 0.1)], [False, True]),
        ([(signal.SIGINT, 0.0), (signal.SIGTERM, 0.1)], [False, False]),
    ],
)
def test_a_second_int_or_a_second_term_a_second_later_means_hurry(
    signals: list[tuple[signal.Signals, float]], hurries: list[bool]
) -> None:
    stops = Stops()
    assert [stops.hurry(number, at) for number, at in signals] == hurries


def test_a_loop_that_does_not_turn_stands_still() -> None:
    watch = StallWatch(now=0.0)
    assert [watch.still_for(7, at) for at in (0.0, 1.0, 2.0, 2.5)] == [0.0, 1.0, 2.0, 2.5]


def test_every_turn_begins_the_time_anew() -> None:
    watch = StallWatch(now=0.0)
    assert not any(watch.still_for(turn, turn * 2.0) for turn in range(20))


def test_who_did_not_look_for_long_judges_nobody() -> None:
    watch = StallWatch(now=0.0)
    watch.still_for(7, 0.0)
    assert [watch.still_for(7, at) for at in (100.0, 102.9, 103.0)] == [
        0.0,
        pytest.approx(2.9),
        3.0,
    ]


def test_one_that_stands_still_for_the_timeout_has_stalled_and_for_0_never() -> None:
    assert not stalled(2.9, 3.0, ready=True)
    assert stalled(3.0, 3.0, ready=True)
    assert not stalled(1e9, 0, ready=True)


def test_an_import_gets_a_minute_whatever_the_timeout() -> None:
    assert not stalled(59.0, 3.0, ready=False)
    assert stalled(60.0, 3.0, ready=False)
    assert not stalled(60.0, 90.0, ready=False)


def test_a_death_is_told_by_signal_or_code() -> None:
    assert "was killed by SIGSEGV while" in how_it_died(1, -11)
    assert "was killed by signal 250 while" in how_it_died(1, -250)
    assert "exited with code 0 while" in how_it_died(1, 0)


def test_a_burst_whose_process_died_never_exits_with_0() -> None:
    assert [exit_code(code) for code in (3, -11, 0)] == [3, 139, 1]
