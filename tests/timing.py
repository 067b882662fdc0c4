"""Promises about seconds, kept on a machine that does other things besides."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

__all__ = ["Queued"]

_EVERY: Final = 0.005


class Queued:
    """The seconds for which threads of some processes want a processor that others have.

    Looked at all the while, since nothing is told of a process that is gone. What a process waits
    for by itself (a lock, an answer, a time) is not among them.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._first = _waited(self._pids)
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

    def _look(self) -> None:
        while not self._over.wait(_EVERY):
            self._last.update(_waited(self._pids))


def _waited(pids: Iterable[int]) -> dict[Path, float]:
    """For each thread; the second figure of its `schedstat`, nanoseconds on a run queue."""
    found: dict[Path, float] = {}
    for pid in pids:
        with suppress(OSError):  # it has just left
            for task in Path(f"/proc/{pid}/task").iterdir():
                found[task] = int((task / "schedstat").read_text().split()[1]) / 1e9
    return found
