"""What happened, written down outside the store by everybody who took part.

One file, a JSON list a line, opened to append, so that the kernel keeps the writers apart. A line
begins with a line break of its own: a writer that is killed in the middle of one spoils only that.
Times are monotonic, the same clock for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Entry", "Journal", "Reader"]


@dataclass(frozen=True, slots=True)
class Entry:
    """`word` at `at` seconds by process `pid`; what `rest` holds stands where it is written."""

    word: str
    at: float
    pid: int
    rest: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.at:12.4f} {self.pid:>8} {self.word:<8} {' '.join(map(str, self.rest))}"


class Journal:
    """Writes; from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, word: str, *rest: Any, at: float | None = None, pid: int | None = None) -> None:
        """Write one entry, of now and this process unless told."""
        self.write_all([(word, *rest)], at=at, pid=pid)

    def write_all(
        self, entries: list[tuple[Any, ...]], *, at: float | None = None, pid: int | None = None
    ) -> None:
        """Write entries of one moment at once."""
        moment = time.monotonic() if at is None else at
        who = os.getpid() if pid is None else pid
        lines = [json.dumps([word, moment, who, *rest]) for word, *rest in entries]
        os.write(self._file, ("\n" + "\n".join(lines) + "\n").encode())

    def close(self) -> None:
        os.close(self._file)


class Reader:
    """Reads what was written since it last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Entry]:
        """The new entries, roughly in the order of their times."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self._offset += whole
        for line in text[:whole].splitlines():
            if line.startswith(b"[") and (entry := _entry(line)) is not None:
                yield entry


def _entry(line: bytes) -> Entry | None:
    try:
        word, at, pid, *rest = json.loads(line)
    except ValueError:
        return None  # its writer was killed in the middle of it
    return Entry(word, at, pid, tuple(rest))
