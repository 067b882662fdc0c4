"""A run as a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tests.chaos.harness import Result
from tests.chaos.nemesis import Act

__all__ = ["table"]


def _acts(*acts: Act) -> Callable[[Result], str]:
    return lambda result: str(sum(result.plan.acts.get(act, 0) for act in acts))


def _lost(result: Result) -> str:
    jobs = {
        each.job
        for each in result.violations
        if each.invariant == 1 and each.job is not None and "lost" in each.what
    }
    return str(len(jobs))


def _finished_twice(result: Result) -> str:
    return str(sum(each.invariant == 2 for each in result.violations))


def _again(result: Result) -> str:
    reasons = result.again()
    why = ", ".join(f"{times} {reason}" for reason, times in reasons.most_common())
    return f"{reasons.total()} ({why})" if why else "0"


COLUMNS: Final[Mapping[str, Callable[[Result], str]]] = MappingProxyType(
    {
        "store": lambda result: result.plan.store,
        "workers": lambda result: result.plan.form.value,
        "seed": lambda result: str(result.plan.seed),
        "jobs": lambda result: str(result.jobs),
        "kills": _acts(Act.KILL, Act.KILL_ALL, Act.KILL_SUPERVISOR),
        "zombies": _acts(Act.ZOMBIE),
        "stops": _acts(Act.STOP, Act.STOP_ANY),
        "rolls": _acts(Act.ROLL),
        "store faults": _acts(
            Act.KILL_STORE, Act.STOP_STORE, Act.SUSPEND_STORE,
            Act.CUT, Act.BLACK_HOLE, Act.DELAY, Act.DROP_REPLY,
        ),
        "busy": lambda result: f"{result.busy:.0%}",
        "seconds": lambda result: f"{result.seconds:.0f}",
        "lost": _lost,
        "finished twice": _finished_twice,
        "violations": lambda result: str(len(result.violations)),
        "run twice": _again,
    }
)  # fmt: skip


def table(results: Sequence[Result]) -> str:
    """In the form of Markdown."""
    rows = [[show(result) for show in COLUMNS.values()] for result in results]
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
