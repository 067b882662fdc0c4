"""The command line, called from that of a framework."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from jobkit.cli.program import main

__all__ = ["pass_on"]

_IMPORT_JOBS: Final = frozenset({"worker", "check"})


def pass_on(words: Sequence[str], application: str) -> NoReturn:
    """Run `jobkit` with these words, and leave with its exit code.

    `application` is the module that brings the jobs. A worker is another program, started in this
    one's place: its supervisor must not have imported the application, and its processes must be
    able to load it anew.
    """
    command, rest = list(words[:1]), list(words[1:])
    if command and command[0] in _IMPORT_JOBS:
        words = [*command, "-A", application, *rest]
    if command == ["worker"]:
        _become(words)
    main(words)
    sys.exit(0)


def _become(words: Sequence[str]) -> NoReturn:
    """Run `jobkit` in this process's place, where it finds what this one found."""
    os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "jobkit", *words])  # noqa: S606 - ourselves
