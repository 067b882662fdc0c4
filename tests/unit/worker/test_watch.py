"""Leases judged by counters on the watcher's own monotonic clock."""

from __future__ import annotations

import math

import pytest

from jobkit.adapter import Pulse
from jobkit.worker.watch import Watch, look_every


def look(watch: Watch, now: float, **beats: int) -> dict[str, int]:
    return watch.still({worker: Pulse(beat, 30.0) for worker, beat in beats.items()}, now)


def keep_looking(watch: Watch, since: float, until: float, **beats: int) -> None:
    """Look every 5 s, from the one moment to before the other, and see nobody dead."""
    now = since
    while now < until:
        assert look(watch, now, **beats) == {}
        now += 5


def test_a_worker_whose_counter_moves_is_alive() -> None:
    watch = Watch()
    for second in range(0, 120, 10):
        assert look(watch, second, w=second) == {}


def test_a_worker_that_stood_still_for_its_lease_is_dead_with_the_counter_that_was_seen() -> None:
    watch = Watch()
    keep_looking(watch, 0, 29.9, w=7)
    assert look(watch, 29.9, w=7) == {}
    assert look(watch, 30.0, w=7) == {"w": 7}


def test_a_fresh_watcher_waits_a_whole_lease_however_old_the_counter_is() -> None:
    assert look(Watch(), 1_000_000, w=7) == {}


def test_a_move_starts_the_wait_again() -> None:
    watch = Watch()
    keep_looking(watch, 0, 29, w=7)
    keep_looking(watch, 29, 59, w=8)
    assert look(watch, 59, w=8) == {"w": 8}


def test_a_watcher_waits_for_the_lease_that_the_worker_published() -> None:
    watch = Watch()
    pulses = {"short": Pulse(1, 5.0), "long": Pulse(1, 60.0)}
    for second in (0, 2, 4):
        assert watch.still(pulses, second) == {}
    assert watch.still(pulses, 6) == {"short": 1}


@pytest.mark.parametrize("lease", [0.5, 1.0, 30.0])
def test_a_watcher_that_was_asleep_for_half_a_lease_starts_anew(lease: float) -> None:
    watch = Watch()
    pulse = {"w": Pulse(7, lease)}
    assert watch.still(pulse, 0) == {}
    asleep = 4 * lease
    for sixth in range(6):
        assert watch.still(pulse, asleep + sixth * lease / 6) == {}
    assert watch.still(pulse, asleep + lease) == {"w": 7}


def test_who_blinks_at_short_leases_still_watches_the_long_ones() -> None:
    watch = Watch()
    pulses = {"short": Pulse(1, 1.0), "long": Pulse(1, 4.0)}
    for second in range(4):
        assert watch.still(pulses, second) == {}
    assert watch.still(pulses, 4) == {"long": 1}


def test_workers_are_looked_at_often_enough_for_the_shortest_lease() -> None:
    assert look_every([30.0, 0.6]) == pytest.approx(0.15)
    assert look_every([]) == math.inf


def test_a_worker_that_left_is_forgotten() -> None:
    watch = Watch()
    look(watch, 0, w=7)
    look(watch, 10)
    keep_looking(watch, 20, 50, w=7)
