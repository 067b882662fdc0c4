"""The process of a job with `isolation="process"`: `python -m jobkit.cli.isolated LINE`.

Not meant to be called by anybody but a worker.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

from jobkit import settings
from jobkit.cli import logs
from jobkit.cli.collecting import collect_as_usual, collect_rarely
from jobkit.worker.carried import Broke, Task, Word
from jobkit.worker.inside import Line, die_with_parent, performed
from jobkit.worker.life import leave, write_out
from jobkit.worker.link import ignore_signals, leave_signals_to_the_supervisor

__all__ = ["main"]


def main() -> NoReturn:
    """Run the one job that the worker hands over, tell it how that ended, and leave."""
    die_with_parent()
    collect_rarely()
    leave_signals_to_the_supervisor()
    line = Line(int(sys.argv[1]))
    task = line.task()
    word = _performed(task, line)
    write_out()  # before it is said that the job has ended: from then on the worker may kill it
    line.tell(word)
    leave(0)


def _performed(task: Task, line: Line) -> Word:
    try:
        _load(task)
        return performed(task, line)
    except BaseException as error:  # noqa: BLE001 - an application's modules may raise anything
        return Broke(f"its process could not run it: {type(error).__name__}: {error}")


def _load(task: Task) -> None:
    """Be the program that the worker is."""
    sys.path[:] = task.path
    sys.argv = ["jobkit"]
    settings.override(**task.settings)
    if task.log:
        configured = settings.current()
        logs.set_up(configured.log_level, configured.log_format)
    for module in task.modules:
        import_module(module)
    ignore_signals()  # the application may have set handlers of its own
    collect_as_usual()


if __name__ == "__main__":
    main()
