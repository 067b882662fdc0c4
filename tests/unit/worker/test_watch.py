"""Leases judged by counters on the watcher's own monotonic clock."""

from __future__ import annotations

from jobkit.adapter import Pulse
from jobkit.worker.watch import Watch


def look(watch: Watch, now: float, **beats: int) -> dict[str, int]:
    return watch.still({worker: Pulse(beat, 30.0) for worker, beat in beats.items()}, now)


def test_a_worker_whose_counter_moves_is_alive() -> None:
    watch = Watch(blind_after=100)
    for second in range(0, 120, 10):
        assert look(watch, second, w=second) == {}


def test_a_worker_that_stood_still_for_its_lease_is_dead_with_the_counter_that_was_seen() -> None:
    watch = Watch(blind_after=100)
    assert look(watch, 0, w=7) == {}
    assert look(watch, 29.9, w=7) == {}
    assert look(watch, 30.0, w=7) == {"w": 7}


def test_a_fresh_watcher_waits_a_whole_lease_however_old_the_counter_is() -> None:
    assert look(Watch(blind_after=100), 1_000_000, w=7) == {}


def test_a_move_starts_the_wait_again() -> None:
    watch = Watch(blind_after=100)
    look(watch, 0, w=7)
    look(watch, 29, w=8)
    assert look(watch, 58, w=8) == {}
    assert look(watch, 59, w=8) == {"w": 8}


def test_a_watcher_waits_for_the_lease_that_the_worker_published() -> None:
    watch = Watch(blind_after=100)
    pulses = {"short": Pulse(1, 5.0), "long": Pulse(1, 60.0)}
    watch.still(pulses, 0)
    assert watch.still(pulses, 10) == {"short": 1}


def test_a_watcher_that_was_asleep_itself_starts_anew() -> None:
    watch = Watch(blind_after=15)
    look(watch, 0, w=7)
    assert look(watch, 40, w=7) == {}
    assert look(watch, 50, w=7) == {}
    assert look(watch, 60, w=7) == {}
    assert look(watch, 70, w=7) == {"w": 7}


def test_a_worker_that_left_is_forgotten() -> None:
    watch = Watch(blind_after=100)
    look(watch, 0, w=7)
    look(watch, 10)
    assert look(watch, 31, w=7) == {}
