"""Promises about seconds, kept on a machine that does other things besides."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Self

__all__ = ["Queued"]

_EVERY: Final = 0.005


class Queued:
    """The seconds for which threads of some processes want a processor that others have.

    The thread that measures is one of them. Looked at all the while, since nothing is told of a
    process that is gone, and others come. What a process waits for by itself (a lock, an answer, a
    time) is not among them.
    """

    def __init__(self, pids: Iterable[int] | Callable[[], Iterable[int]]) -> None:
        """`pids` are those of the processes, or tell which there are at that time."""
        self._pids = pids if callable(pids) else partial(tuple, tuple(pids))
        self._own = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}")
        self._first = self._waited()
        self._last: dict[Path, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def seconds(self) -> float:
        return sum(last - self._first.get(task, 0.0) for task, last in self._last.items())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._last.update(self._waited())

    def _look(self) -> None:
        while not self._over.wait(_EVERY):
            self._last.update(self._waited())

    def _waited(self) -> dict[Path, float]:
        """For each thread; the second figure of its `schedstat`, nanoseconds on a run queue."""
        found: dict[Path, float] = {}
        for task in (self._own, *_threads(self._pids)):
            with suppress(OSError):  # it has just left
                found[task] = int((task / "schedstat").read_text().split()[1]) / 1e9
        return found


def _threads(pids: Callable[[], Iterable[int]]) -> Iterator[Path]:
    with suppress(OSError):  # who would tell has just left
        for pid in pids():
            with suppress(OSError):
                yield from Path(f"/proc/{pid}/task").iterdir()
