"""Proof of the contract: every fault seeded into the memory adapter is caught by its group.

    python -m tests.contract.seeded_faults

prints for each fault how many tests of its group fail, whether the model must notice it too, and
the first test that does. Ends with 1 if a fault gets away, or if the sound adapter is accused.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.contract.faults import FAULTS, MODEL, SOUND, SUSPECTS, Fault

_OPTIONS = ["--quiet", "--no-header", "--tb=no", "--no-summary", "-p", "no:cacheprovider"]


class Verdicts:
    """A pytest plugin that notes which tests fail, by suspect."""

    def __init__(self) -> None:
        self.failed: dict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            _, suspect, group, test = report.nodeid.split("::", 3)
            self.failed[suspect].append(f"{group.removeprefix('Test')}: {test}")


def verdict(fault: Fault, failed: list[str]) -> tuple[bool, str]:
    """Whether it was caught by all who must, or by none if there is nothing to catch; a line."""
    group = [test for test in failed if not test.startswith(MODEL)]
    model = len(failed) > len(group)
    right = not failed if fault is SOUND else bool(group) and model is fault.model
    word, also = "right" if right else "WRONG", "and the model" if model else ""
    return right, f"{word}  {fault.name:56}{len(group):3} {also:14} {' '.join(group[:1])}"


def main() -> int:
    """Try every suspect; the number of wrong verdicts."""
    verdicts = Verdicts()
    suspects = Path(__file__).with_name("suspects.py")
    pytest.main([*_OPTIONS, str(suspects)], plugins=[verdicts])
    wrong = 0
    for name, fault in SUSPECTS.items():
        right, line = verdict(fault, verdicts.failed[name])
        wrong += not right
        print(line)
    print(f"{len(FAULTS)} faults, {wrong} wrong verdicts")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(), 1))
