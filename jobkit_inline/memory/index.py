"""Jobs in order: cheap to take from the head, to put at the tail and to page through."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Final

from jobkit_inline.memory.records import Job, Key

__all__ = ["Index"]

_SLACK: Final = 64


class Index:
    """The jobs of one place, sorted by `Job.key`; no two have the same key.

    The key of a job that left stays behind until half of them are such: leaving costs no search,
    and a job that is given back finds its place ready.
    """

    __slots__ = ("_head", "_jobs", "_keys")

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._jobs: dict[Key, Job] = {}
        self._head = 0  # no job stands before it

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return self.ascending()

    def add(self, job: Job) -> None:
        """Let the job take its place."""
        at = bisect_left(self._keys, job.key)
        if at == len(self._keys) or self._keys[at] != job.key:
            self._keys.insert(at, job.key)
        self._jobs[job.key] = job
        self._head = min(self._head, at)

    def remove(self, job: Job) -> None:
        """Take the job out."""
        del self._jobs[job.key]
        if len(self._keys) > 2 * len(self._jobs) + _SLACK:
            self._keys = [key for key in self._keys if key in self._jobs]
            self._head = 0

    def discard(self, job: Job) -> None:
        """Take the job out, if it is here."""
        if job.key in self._jobs:
            self.remove(job)

    def first(self) -> Job | None:
        """The job that stands first."""
        while self._head < len(self._keys) and self._keys[self._head] not in self._jobs:
            self._head += 1
        return self._jobs[self._keys[self._head]] if self._jobs else None

    def ascending(self, after: Key | None = None) -> Iterator[Job]:
        """Every job behind `after`, in order."""
        self.first()
        start = self._head if after is None else bisect_right(self._keys, after)
        keys = islice(self._keys, start, None)
        return (self._jobs[key] for key in keys if key in self._jobs)

    def descending(self, after: Key | None = None) -> Iterator[Job]:
        """Every job before `after`, last first."""
        end = len(self._keys) if after is None else bisect_left(self._keys, after)
        keys = (self._keys[at] for at in range(end - 1, self._head - 1, -1))
        return (self._jobs[key] for key in keys if key in self._jobs)
