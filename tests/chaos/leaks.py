"""`python -m tests.chaos.leaks JOBS`: what a worker process holds on to, measured while it works.

Of the jobs 5 % fail, and a fifth of those for good. The worker is looked at from outside, through
/proc, so that looking costs it nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobkit import backends
from jobkit_sql import SqlAdapter
from tests.chaos.application import ATTEMPTS, Failing, Quick
from tests.chaos.fleet import ROOT
from tests.chaos.processes import Guard

__all__ = ["Sample", "Samples", "main", "measure"]

_THREADS: Final = 5
_SLICE: Final = 1_000
_BACKLOG: Final = 2_000
_WARM: Final = 0.25
_STALLED: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process has, after so many ends of attempts. `rss` is bytes."""

    ends: int
    rss: int
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int, ends: int) -> Sample:
        """The process as it is now."""
        proc = Path("/proc") / str(pid)
        pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
        threads = len(list((proc / "task").iterdir()))
        files = len(list((proc / "fd").iterdir()))
        return cls(ends, pages * os.sysconf("SC_PAGE_SIZE"), threads, files)


@dataclass(frozen=True, slots=True)
class Samples:
    """In the order of time; the first quarter is the warming up."""

    all: tuple[Sample, ...]
    code: int

    @property
    def warm(self) -> tuple[Sample, ...]:
        return self.all[int(len(self.all) * _WARM) :]

    @property
    def growth(self) -> float:
        """By what share the resident memory grew once it was warm."""
        return self.warm[-1].rss / self.warm[0].rss - 1

    @property
    def threads(self) -> set[int]:
        return {sample.threads for sample in self.warm}

    @property
    def files(self) -> tuple[int, int]:
        """The fewest and the most that were open: connections come and go."""
        return min(each.files for each in self.warm), max(each.files for each in self.warm)

    def table(self) -> str:
        """In the form of Markdown."""
        head = ["| ends | RSS MB | threads | files |", "| --- | --- | --- | --- |"]
        rows = [
            f"| {each.ends} | {each.rss / 1e6:.1f} | {each.threads} | {each.files} |"
            for each in self.all
        ]
        return "\n".join([*head, *rows, f"memory grew by {self.growth:.1%} once warm"])


def measure(jobs: int, folder: Path, *, looks: int = 20) -> Samples:
    """Have one worker process do so many jobs and look at it that often."""
    url = f"sqlite:///{folder / 'jobs.db'}"
    with closing(SqlAdapter(url)) as adapter, Guard() as guard:
        _enqueue(adapter, min(jobs, _BACKLOG))
        with (folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.plain", str(_THREADS), "10"],
                cwd=ROOT,
                env={**guard.environment, "JOBKIT_URL": url},
                stderr=log,
                start_new_session=True,
            )
        samples = _watch(worker.pid, adapter, jobs, looks)
        worker.send_signal(signal.SIGTERM)
        return Samples(samples, worker.wait(30))


def main(jobs: int) -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="jobkit-leaks-") as folder:
        samples = measure(jobs, Path(folder))
    print(samples.table())
    least, most = samples.files
    fine = samples.growth < 0.2 and len(samples.threads) == 1 and most - least <= 2
    return int(not fine or samples.code != 0)


def _watch(pid: int, adapter: SqlAdapter, jobs: int, looks: int) -> tuple[Sample, ...]:
    stored = min(jobs, _BACKLOG)
    samples: list[Sample] = []
    while True:
        stats = adapter.stats()
        waiting = stats.enqueued + stats.retry + stats.running
        if stored < jobs and waiting < _BACKLOG:
            _enqueue(adapter, min(_SLICE, jobs - stored))
            stored += _SLICE
        if stats.processed >= len(samples) * jobs // looks:
            samples.append(Sample.of(pid, stats.processed))
        if stored >= jobs and not waiting:
            return tuple(samples)
        _pause_until_more(adapter, stats.processed)


def _pause_until_more(adapter: SqlAdapter, processed: int) -> None:
    _until(lambda: adapter.stats().processed > processed)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _STALLED
    while not condition():
        assert time.monotonic() < deadline, "the worker does nothing any more"
        time.sleep(0.05)


def _enqueue(adapter: SqlAdapter, jobs: int) -> None:
    failing = jobs // 20
    dying = failing // 5
    with backends.use(adapter):
        Quick.perform_bulk([(0.0,)] * (jobs - failing))
        Failing.perform_bulk([(0.0, 2)] * (failing - dying))
        Failing.perform_bulk([(0.0, ATTEMPTS + 1)] * dying)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
