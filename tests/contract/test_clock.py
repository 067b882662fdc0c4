from concurrent.futures import ThreadPoolExecutor

import pytest

from jobkit.clock import Clock
from jobkit.testing import ManualClock


def test_a_manual_clock_stands_still() -> None:
    clock: Clock = ManualClock()
    assert [clock.time(), clock.time()] == [1_700_000_000.0] * 2
    assert clock.monotonic() == clock.monotonic()


def test_time_passes_on_both_clocks() -> None:
    clock = ManualClock(start=100.0)
    before = clock.monotonic()
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic() - before) == (102.5, 2.5)


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_step_sets_the_wall_clock_only(seconds: float) -> None:
    clock = ManualClock(start=10_000.0)
    before = clock.monotonic()
    clock.step(seconds)
    assert (clock.time(), clock.monotonic()) == (10_000.0 + seconds, before)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="step"):
        ManualClock().advance(-1)


def test_no_step_is_lost_between_threads() -> None:
    clock = ManualClock(start=0.0)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(clock.advance, [1.0] * 4000):
            pass
    assert (clock.time(), clock.monotonic()) == (4000.0, 4000.0)
