"""Actions on all jobs of a list: in slices, and on in the background when they take long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

__all__ = ["PATIENCE", "Act", "Bulk", "Task"]

PATIENCE: Final = 5.0
"""Seconds that a browser waits for an action on all jobs before it goes on without it."""

_REMEMBERED: Final = 5

_log = logging.getLogger("jobkit.dashboard")

Act = Callable[[Callable[[int], None]], int]
"""Does the whole, and calls its argument with the number done so far."""


@dataclass(slots=True)
class Task:
    """One action on many jobs. `total` is what there was when it began, None if not known."""

    number: int
    title: str
    total: int | None
    done: int = 0
    error: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class Bulk:
    """The actions on all jobs that run, and the latest that ended."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._tasks: list[Task] = []
        self._lock = threading.Lock()

    def start(self, title: str, act: Act, total: int | None) -> Task:
        """Act in a thread of its own; returns when that is done, or after a while."""
        task = Task(next(self._numbers), title, total)
        with self._lock:
            self._tasks = [*self._tasks, task][-_REMEMBERED:]
        threading.Thread(target=_acted, args=(task, act), daemon=True).start()
        task.ended.wait(PATIENCE)
        return task

    def tasks(self) -> list[Task]:
        """What runs or has ended lately, newest first."""
        return self._tasks[::-1]


def _acted(task: Task, act: Act) -> None:
    def progress(done: int) -> None:
        task.done = done

    try:
        task.done = act(progress)
    except Exception as error:  # noqa: BLE001 - the page tells whatever it was
        task.error = str(error) or type(error).__name__
        _log.warning("%s: failed behind %d", task.title, task.done, exc_info=True)
    finally:
        task.ended.set()
