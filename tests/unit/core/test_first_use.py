"""A class is compiled at first use, which in a worker is several jobs at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from jobkit import Job
from jobkit.jobs.plan import Plan, plan_of

THREADS = 8


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def wide_class(number: int) -> Any:
    """A job with so many members that reading through them takes a while."""
    members = {f"member_{each}": lambda self: None for each in range(2_000)}
    return type(f"Wide{number}", (Job,), {**members, "perform": lambda self: None})


@pytest.mark.usefixtures("hasty_threads")
def test_threads_that_use_a_class_first_at_the_same_moment_all_get_its_plan() -> None:
    """The bug: one of them raised, and the first job of a worker was buried for it."""
    start = Barrier(THREADS)

    def compiled(cls: Any) -> Callable[[], Plan]:
        def compile_it() -> Plan:
            start.wait(40)
            return plan_of(cls)

        return compile_it

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(10):
            cls = wide_class(number)
            plans = [pool.submit(compiled(cls)) for _ in range(THREADS)]
            assert {plan.result().name for plan in plans} == {cls._name}


def test_using_a_class_adds_nothing_to_it() -> None:
    cls = wide_class(0)
    before = set(vars(cls))
    plan_of(cls)
    assert set(vars(cls)) == before
