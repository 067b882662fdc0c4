"""How much a worker holds in hand, and when it gives back."""

from __future__ import annotations

import pytest

from jobkit.worker.pace import HOLD, TURN, Pace, Waiting


def test_nothing_is_prefetched_before_any_job_has_ended() -> None:
    assert Pace(10).prefetch() == 0


def test_the_prefetch_is_what_the_threads_do_within_the_hold() -> None:
    pace = Pace(10)
    pace.observe(100, 100 * 0.001)
    assert pace.prefetch() == int(HOLD * 10 / 0.001)


def test_long_jobs_are_never_prefetched() -> None:
    pace = Pace(10)
    pace.observe(10, 10 * 1.0)
    assert pace.prefetch() == 0


def test_the_prefetch_is_bounded_however_short_the_jobs_are() -> None:
    pace = Pace(10)
    pace.observe(100, 0.0)
    assert pace.prefetch() == 1_000


def test_one_long_job_among_short_ones_lowers_the_prefetch_at_once() -> None:
    pace = Pace(10)
    pace.observe(100, 100 * 0.001)
    before = pace.prefetch()
    pace.observe(1, 1.0)
    assert pace.prefetch() < before / 100


def test_a_stall_forgets_what_was_known() -> None:
    pace = Pace(10)
    pace.observe(100, 0.1)
    pace.stalled()
    assert pace.prefetch() == 0


def test_the_oldest_batch_with_a_job_left_says_how_long_it_has_waited() -> None:
    waiting = Waiting()
    waiting.handed(3, now=10.0)
    waiting.handed(3, now=11.0)
    assert waiting.age(left=6, now=12.0) == pytest.approx(2.0)
    assert waiting.age(left=4, now=12.0) == pytest.approx(2.0)
    assert waiting.age(left=3, now=12.0) == pytest.approx(1.0)


def test_nothing_left_has_waited_for_no_time() -> None:
    waiting = Waiting()
    waiting.handed(3, now=10.0)
    assert waiting.age(left=0, now=99.0) == 0.0


def test_what_was_taken_back_does_not_count_as_waiting_later() -> None:
    waiting = Waiting()
    waiting.handed(5, now=10.0)
    assert waiting.age(left=0, now=11.0) == 0.0
    waiting.handed(2, now=20.0)
    assert waiting.age(left=2, now=20.5) == pytest.approx(0.5)


def test_more_are_asked_for_when_what_is_left_lasts_for_half_the_hold() -> None:
    pace = Pace(10)
    pace.observe(100, 100 * 0.001)
    assert pace.low() == pace.prefetch() // 2 == int(HOLD / 2 * 10 / 0.001)


def test_of_the_tiniest_jobs_a_quarter_is_gone_before_more_are_asked_for() -> None:
    pace = Pace(10)
    pace.observe(100, 0.0)
    assert pace.low() == 750


def test_one_thread_takes_what_lasts_for_its_turn() -> None:
    pace = Pace(10)
    assert pace.turn() == 0, "unknown"
    pace.observe(100, 100 * 0.0001)
    assert pace.turn() == round(TURN / 0.0001) == 100


def test_one_thread_takes_not_all_that_is_tiny_and_always_one() -> None:
    pace = Pace(10)
    pace.observe(100, 0.0)
    assert pace.turn() == 500
    pace = Pace(10)
    pace.observe(100, 100 * 1.0)
    assert pace.turn() == 1


def test_one_thread_holds_what_one_does() -> None:
    pace = Pace(10)
    pace.observe(100, 100 * 0.001)
    pace.one = True
    assert pace.prefetch() == int(HOLD / 0.001)


def test_what_has_ended_is_summed_up() -> None:
    pace = Pace(10)
    pace.observe(100, 0.5)
    pace.observe(50, 0.25)
    assert (pace.ended, pace.lasted) == (150, 0.75)
