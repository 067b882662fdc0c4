"""Proof of the proofs: with a fault seeded, a test of its behaviour fails.

    python -m tests.behaviours.seeded_faults

prints for each fault the first test that sees it. Ends with 1 if a fault gets away, or if a test
fails without one. Each fault has a process of its own, forked from one that has imported all that
is not ours.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Final

import pytest

from tests.behaviours.faults import FAULTS, Fault
from tests.behaviours.planted import plant
from tests.behaviours.proof import CONTRACT, ROOT, collected

_THEIRS: Final = [
    *("pytest", "_pytest.pytester", "_pytest.junitxml", "xdist.plugin", "anyio.pytest_plugin"),
    *("hypothesis", "pydantic.main", "click", "uuid_utils"),
    *("sqlalchemy.dialects.sqlite", "psycopg", "redis", "jinja2", "starlette.testclient"),
]
_OPTIONS: Final = [
    *("-p", "no:cacheprovider", "--tb=no", "--exitfirst"),
    "--assert=plain",  # pytest's own importer would come before the fault's
    "--hypothesis-profile=seeded",
]
_AT_ONCE: Final = 2
_SOUND: Final = "K4"
"""The behaviour whose tests are run without a fault, to see that nothing else turns them red."""


class Red:
    """A pytest plugin that notes the first test that fails."""

    first: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.first is None:
            self.first = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            raise pytest.UsageError(f"{report.nodeid} cannot be collected: {report.longrepr}")


def first_red(fault: Fault | None, tests: Sequence[str]) -> str | None:
    """The first of these tests that fails, None if all pass. Raises RuntimeError if none ran."""
    if fault is not None:
        plant(fault)
    os.chdir(ROOT)
    red = Red()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        # A test that waits for what a fault keeps from coming is red sooner.
        patience = f"--override-ini=timeout={60 if fault is None else 12}"
        ended = pytest.main([*_OPTIONS, patience, *tests], plugins=[red])
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{fault and fault.name}: pytest ended with {ended!r}")
    return red.first


def main() -> int:
    """Try every fault; the number of wrong verdicts."""
    proofs = _tests_by_behaviour()
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(_THEIRS)
    with ProcessPoolExecutor(_AT_ONCE, mp_context=forked, max_tasks_per_child=1) as pool:
        sound = pool.submit(first_red, None, proofs[_SOUND])
        tried = [pool.submit(first_red, each, proofs[each.behaviour]) for each in FAULTS]
        wrong = _told("", "nothing is wrong", sound.result(), red=False)
        for fault, verdict in zip(FAULTS, tried, strict=True):
            wrong += _told(fault.behaviour, fault.name, verdict.result(), red=True)
    print(f"{len(FAULTS)} faults, {wrong} wrong verdicts")
    return wrong


def _told(behaviour: str, name: str, first: str | None, *, red: bool) -> int:
    """Print a verdict; 1 if it is wrong."""
    wrong = (first is not None) is not red
    print(f"{'WRONG' if wrong else 'right'}  {behaviour:4}{name:60}{first or ''}", flush=True)
    return int(wrong)


def _tests_by_behaviour() -> Mapping[str, Sequence[str]]:
    """The node ids of the tests of each behaviour, the quick before the slow.

    The contract's are left out: they have faults of their own.
    """
    tests: defaultdict[str, set[str]] = defaultdict(set)
    for proof in collected():
        if not proof.test.startswith(f"{CONTRACT}::"):
            tests[proof.code].add(f"tests/{proof.test}")
    return {code: sorted(found, key=_how_slow) for code, found in tests.items()}


def _how_slow(test: str) -> tuple[bool, bool, str]:
    """Those in tests/unit first, those of a browser last."""
    return not test.startswith("tests/unit/"), "browser" in test, test


if __name__ == "__main__":
    sys.exit(min(main(), 1))
