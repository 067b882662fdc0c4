"""The jobs of the demo. A worker runs them with `-A jobkit.cli.demo.jobs`."""

from __future__ import annotations

import errno
import re
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

from jobkit import Job, SnoozeJob, after_discard, retry_on
from jobkit.cli.demo.results import Record, Results

__all__ = ["CountWords", "Probe", "Summarize", "is_flaky", "words_of"]

_WORD: Final = re.compile(r"[^\W\d_]+")
_FLAKY: Final = 50


def words_of(text: str) -> Counter[str]:
    """How often each word occurs: runs of letters, in small ones."""
    return Counter(_WORD.findall(text.lower()))


def is_flaky(file: Path) -> bool:
    """True for one file in 50: its first read fails, as a network drive's might."""
    return zlib.crc32(bytes(file)) % _FLAKY == 0


@retry_on(OSError, wait=0.2, attempts=3, jitter=0.0)
class CountWords(Job, name="demo.CountWords", retry=0):
    """Counts a file's words. What cannot be read is tried again, what is no text is buried."""

    def perform(self, file: Path, results: Path) -> None:
        began = time.time()
        if self.executions == 1 and is_flaky(file):
            raise OSError(errno.EIO, "the drive did not answer (the demo made that up)", str(file))
        counts = words_of(file.read_text("utf-8"))
        Results.at(results).add(_record(self, began, file=str(file)), counts)

    @after_discard
    def give_up(self, error: BaseException) -> None:
        """The file counts as dealt with, or the summary would wait for it for ever."""
        file, results = self.args
        Results.at(results).add(_record(self, time.time(), file=str(file), error=str(error)))


class Summarize(Job, name="demo.Summarize", retry=0):
    """Adds up all files, once each of them was counted or given up; until then it snoozes."""

    def perform(self, files: int, results: Path) -> None:
        began, stored = time.time(), Results.at(results)
        if stored.files() < files:
            raise SnoozeJob(0.2)
        stored.add(_record(self, began), stored.words(CountWords.__name__))


class Probe(Job, name="demo.Probe", retry=0):
    """Tells how long it waited for an idle worker."""

    def perform(self, results: Path) -> None:
        Results.at(results).add(_record(self, time.time()))


def _record(job: Job, began: float, **more: Any) -> Record:
    at_once = job.enqueued_at if job.executions == 1 else None
    return Record(
        job=job.id,
        job_class=type(job).__name__,
        executions=job.executions,
        waited=None if at_once is None else began - at_once.timestamp(),
        ended_at=time.time(),
        **more,
    )
