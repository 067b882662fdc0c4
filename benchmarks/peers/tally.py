"""What jobs tell the benchmark that started their workers: how many ran, from when to when.

A worker process writes to a small file that is mapped into its memory, which costs a job less than
a microsecond and no system call; the benchmark reads the files of all processes.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from struct import Struct
from typing import Final

__all__ = ["FOLDER", "Seen", "ran", "seen", "started"]

FOLDER: Final = "BENCH_TALLY"
"""The environment variable that names the folder."""

_HEAD: Final = Struct("=qdd")
"""Jobs that ran, the first one's moment and the latest one's, monotonic."""
_DELAY: Final = Struct("=d")
_MOST_DELAYS: Final = 2_000


class _Sheet:
    """One process's file."""

    def __init__(self) -> None:
        path = Path(os.environ[FOLDER], str(os.getpid()))
        path.write_bytes(bytes(_HEAD.size + _MOST_DELAYS * _DELAY.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._numbers = count(1)
        self._first = 0.0

    def ran(self, delay: float = 0.0) -> None:
        now, number = time.monotonic(), next(self._numbers)
        self._first = self._first or now
        if delay and number <= _MOST_DELAYS:
            _DELAY.pack_into(self._memory, _HEAD.size + (number - 1) * _DELAY.size, delay)
        _HEAD.pack_into(self._memory, 0, number, self._first, now)


_sheets: dict[int, _Sheet] = {}


_lock = threading.Lock()


def _sheet() -> _Sheet:
    return _sheets.get(os.getpid()) or _new_sheet()


def _new_sheet() -> _Sheet:
    # One at a time: a second one would cut off the file that the first has mapped.
    with _lock:
        return _sheets.get(os.getpid()) or _sheets.setdefault(os.getpid(), _Sheet())


def ran() -> None:
    """A job ran."""
    _sheet().ran()


def started(sent: float) -> None:
    """A job that was sent at that monotonic moment began to run."""
    _sheet().ran(time.monotonic() - sent)


@dataclass(frozen=True, slots=True)
class Seen:
    """What all processes told: jobs, moments of the first and the last, delays in seconds.

    Of the jobs so many ran `before` the moment that counts as the first.
    """

    jobs: int
    first: float
    last: float
    delays: tuple[float, ...]
    processes: int = 1
    before: int = 0

    @property
    def rate(self) -> float:
        return (self.jobs - self.before) / max(self.last - self.first, 1e-9)


def seen(folder: Path) -> Seen:
    """What was told so far."""
    sheets = [path.read_bytes() for path in folder.iterdir()]
    heads = [_HEAD.unpack_from(sheet) for sheet in sheets if len(sheet) > _HEAD.size]
    busy = [head for head in heads if head[0]]
    delays = [each[0] for sheet in sheets for each in _DELAY.iter_unpack(sheet[_HEAD.size :])]
    return Seen(
        jobs=sum(head[0] for head in busy),
        first=min((head[1] for head in busy), default=0.0),
        last=max((head[2] for head in busy), default=0.0),
        delays=tuple(each for each in delays if each),
        processes=len(busy),
    )
