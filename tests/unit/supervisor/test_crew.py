"""Who sits in which slot, and who comes after."""

from __future__ import annotations

from typing import Any, cast

import pytest

from jobkit.supervisor.child import Child
from jobkit.supervisor.crew import Crew
from jobkit.testing.clock import ManualClock


class Stand:
    """What a crew sees of a child."""

    def __init__(self) -> None:
        self.ready_for: float | None = None
        self.told_to_stop = False


class Yard:
    """A crew with children that do nothing by themselves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.full = False
        self.retired: list[Any] = []
        self.crew = Crew(self._start, self.retired.append, self.clock)

    def _start(self) -> Child:
        if self.full:
            raise BlockingIOError("no more processes")
        return cast("Child", Stand())

    def children(self) -> list[Any]:
        return list(self.crew)

    def fill(self) -> list[Any]:
        self.crew.fill()
        return self.children()

    def ready(self, child: Any, *, seconds: float = 10.0) -> None:
        child.ready_for = seconds
        self.crew.ready(child)


@pytest.fixture
def yard() -> Yard:
    made = Yard()
    made.crew.grow(2)
    made.fill()
    for child in made.children():
        made.ready(child)
    return made


def test_every_slot_is_filled(yard: Yard) -> None:
    assert len(yard.children()) == 2
    assert not yard.crew.over


def test_the_dead_child_of_a_slot_is_replaced(yard: Yard) -> None:
    first, second = yard.children()
    yard.crew.lost(first, replace=True)
    new, other = yard.fill()
    assert other is second
    assert new is not first


def test_one_that_was_never_ready_is_replaced_after_a_wait(yard: Yard) -> None:
    first, second = yard.children()
    first.ready_for = None
    yard.crew.lost(first, replace=True)
    assert yard.fill() == [second]
    assert yard.crew.next_due == pytest.approx(yard.clock.monotonic() + 0.5)
    yard.clock.advance(0.5)
    assert len(yard.fill()) == 2


def test_without_replacement_it_is_over_when_the_last_is_gone(yard: Yard) -> None:
    for child in yard.children():
        assert not yard.crew.over
        yard.crew.lost(child, replace=False)
    assert yard.crew.over


def test_a_closed_crew_starts_nobody_who_was_due(yard: Yard) -> None:
    for child in yard.children():
        child.ready_for = None
        yard.crew.lost(child, replace=True)
    yard.crew.close()
    yard.clock.advance(60)
    assert yard.fill() == []
    assert yard.crew.over


def test_a_system_without_room_is_asked_again_later(yard: Yard) -> None:
    yard.full = True
    first, second = yard.children()
    yard.crew.lost(first, replace=True)
    assert yard.fill() == [second]
    yard.full = False
    yard.clock.advance(0.5)
    assert len(yard.fill()) == 2


def test_a_roll_replaces_one_slot_after_the_other_the_new_child_first(yard: Yard) -> None:
    first, second = yard.children()
    yard.crew.roll()
    [new] = [child for child in yard.children() if child not in (first, second)]
    assert yard.retired == []
    yard.ready(new)
    assert yard.retired == [first]
    [newer] = [child for child in yard.children() if child not in (first, second, new)]
    yard.ready(newer)
    assert yard.retired == [first, second]
    for old in (first, second):
        yard.crew.lost(old, replace=True)
    assert yard.children() == [new, newer]


def test_a_roll_asked_for_during_another_replaces_those_too_that_just_came(yard: Yard) -> None:
    first, second = yard.children()
    yard.crew.roll()
    [new] = [child for child in yard.children() if child not in (first, second)]
    yard.crew.roll()
    for _ in range(3):
        [coming] = [child for child in yard.children() if yard.crew.is_newcomer(child)]
        yard.ready(coming)
    assert yard.retired == [first, new, second]


def test_a_new_child_that_does_not_come_up_ends_the_roll_and_the_old_ones_stay(yard: Yard) -> None:
    before = yard.children()
    yard.crew.roll()
    [new] = [child for child in yard.children() if child not in before]
    assert yard.crew.is_newcomer(new)
    yard.crew.lost(new, replace=True)
    assert yard.fill() == before
    assert yard.retired == []


def test_a_new_child_takes_the_place_of_one_that_dies_before_it_is_ready(yard: Yard) -> None:
    first, second = yard.children()
    yard.crew.roll()
    [new] = [child for child in yard.children() if child not in (first, second)]
    yard.crew.lost(first, replace=True)
    assert yard.fill() == [new, second]
    assert not yard.crew.is_newcomer(new)
