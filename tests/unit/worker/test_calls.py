"""Threads that rest are called one for each call, the last to rest first."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable

from jobkit.worker.calls import Calls, made_bed
from tests.unit.worker.helpers import until


def never() -> bool:
    return False


def started(work: Callable[[], None], number: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def ended(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(60)


class Sleeper:
    """A thread that rests once, and notes which call it had."""

    def __init__(self, calls: Calls[str], unless: Callable[[], object] = never) -> None:
        self.had: list[str | None] = []
        self.thread = threading.Thread(
            target=lambda: self.had.append(calls.get(made_bed(), unless)), daemon=True
        )
        self.thread.start()


def test_a_call_wakes_a_thread() -> None:
    calls = Calls[str]()
    sleeper = Sleeper(calls)
    until(lambda: calls.resting() == 1)
    calls.put("a")
    sleeper.thread.join(30)
    assert (sleeper.had, calls.resting()) == (["a"], 0)


def test_the_last_to_rest_is_called_first() -> None:
    calls, sleepers = Calls[str](), list[Sleeper]()
    for _ in range(3):
        sleepers.append(Sleeper(calls))
        until(lambda: calls.resting() == len(sleepers))
    for sleeper, call in zip(reversed(sleepers), "abc", strict=True):
        calls.put(call)
        sleeper.thread.join(30)
        assert sleeper.had == [call]


def test_a_call_that_came_before_is_had_at_once() -> None:
    calls = Calls[str]()
    calls.put("a")
    calls.put(None)
    assert calls.get(made_bed(), never) == "a"
    assert calls.get(made_bed(), never) is None


def test_who_is_called_counts_as_resting_no_more() -> None:
    calls = Calls[str]()
    sleeper = Sleeper(calls)
    until(lambda: calls.resting() == 1)
    calls.put("a")
    assert calls.resting() == 0
    sleeper.thread.join(30)


def test_nobody_rests_when_there_is_something_to_do() -> None:
    calls = Calls[str]()
    assert calls.get(made_bed(), lambda: True) is None
    assert calls.resting() == 0


def test_what_is_put_while_somebody_lies_down_is_had() -> None:
    """By whoever looked before it was put, and is in bed after."""
    calls = Calls[str]()
    assert calls.get(made_bed(), lambda: calls.put("a")) == "a"
    calls.put("b")
    assert calls.get(made_bed(), never) == "b"


def test_who_is_called_and_has_something_to_do_has_the_call() -> None:
    """Or the call would be nobody's, and its bed would let the next who rests go."""
    calls, bed = Calls[str](), made_bed()

    def called_meanwhile() -> bool:
        calls.put("a")
        return True

    assert calls.get(bed, called_meanwhile) == "a"
    assert bed.locked()
    assert calls.resting() == 0


def test_what_is_put_before_somebody_lies_down_and_after_it_looked_is_had() -> None:
    calls = Calls[str]()

    class Late(deque[str | None]):
        def popleft(self) -> str | None:
            try:
                return super().popleft()
            except IndexError:
                if not calls.resting():
                    calls.put("a")
                raise

    calls._calls = Late()
    sleeper = Sleeper(calls)
    sleeper.thread.join(30)
    assert sleeper.had == ["a"]


def test_every_call_is_had_once_however_many_put_and_rest() -> None:
    calls, had = Calls[int](), list[int]()

    def rests() -> None:
        bed = made_bed()
        while (call := calls.get(bed, never)) is not None:
            had.append(call)

    def puts() -> None:
        for number in range(2_000):
            calls.put(number)

    resting, putting = started(rests, 6), started(puts, 4)
    ended(putting)
    for _ in resting:
        calls.put(None)
    ended(resting)
    assert Counter(had) == dict.fromkeys(range(2_000), 4)
