"""One queue on one store, as a benchmark sees it: started, fed, watched, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Final

from benchmarks.peers.commands import MANY, command_of
from benchmarks.peers.tally import FOLDER, Seen, seen

__all__ = ["Contestant", "Load", "load_of", "until"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STUCK: Final = 20.0
"""Seconds without one more job after which a drain is over."""


@dataclass(frozen=True, slots=True)
class Load:
    """CPU seconds and resident megabytes of some processes."""

    cpu: float
    rss: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """`app` is a module of `benchmarks.peers.apps`; `cores` are those that its processes get.

    `apart`: each worker process one of them, once all are at work, wherever the system has it run.
    """

    name: str
    app: str
    url: str
    cores: frozenset[int]
    apart: bool = False

    def send(self, what: str, number: int) -> dict[str, float]:
        """See `sending`."""
        command = [sys.executable, "-m", "benchmarks.peers.sending", self.app, self.url, what]
        done = subprocess.run(
            [*command, str(number)],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "BENCH_URL": self.url},
            preexec_fn=self._pin,
        )
        return dict(json.loads(done.stdout)) if done.stdout.strip() else {}

    @contextmanager
    def working(
        self, processes: int = 1, *, logs: bool = False
    ) -> Generator[tuple[list[int], Path]]:
        """Workers at work: their processes' ids, and the folder of their tally."""
        command, variables = command_of(self.app, self.url, processes, logs=logs)
        commands = 1 if self.app in MANY else processes
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
            started = [
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **variables, FOLDER: folder},
                    start_new_session=True,
                    preexec_fn=self._pin,  # noqa: PLW1509 - this process has one thread
                )
                for _ in range(commands)
            ]
            try:
                yield [each.pid for each in started], Path(folder)
            finally:
                for each in started:
                    _end(each)

    def drained(self, jobs: int, processes: int = 1, *, logs: bool = False) -> Seen:
        """Run what waits; what was seen when so many jobs had run, or no more came.

        What ran before the last of the processes began does not count for the rate.
        """
        with self.working(processes, logs=logs) as (_, folder):
            start = _all_at_work(folder, jobs, processes)
            if self.apart:
                self._set_apart(folder)
                start = seen(folder)
            return replace(until(folder, jobs), before=start.jobs, first=start.last)

    @property
    def everywhere(self) -> Contestant:
        """The same on all cores."""
        return replace(self, cores=frozenset(range(os.cpu_count() or 1)) | self.cores)

    def _set_apart(self, folder: Path) -> None:
        for sheet, core in zip(folder.iterdir(), cycle(sorted(self.cores))):  # named by process
            for thread in Path(f"/proc/{sheet.name}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})

    def _pin(self) -> None:
        os.sched_setaffinity(0, self.cores)


def _all_at_work(folder: Path, jobs: int, processes: int) -> Seen:
    """What was seen when so many processes had begun, or all jobs had run without some of them."""
    told, moved = seen(folder), time.monotonic()
    while told.processes < processes and told.jobs < jobs and time.monotonic() - moved < _STUCK:
        time.sleep(0.005)
        now = seen(folder)
        moved = time.monotonic() if now.jobs > told.jobs else moved
        told = now
    return told if 0 < told.jobs < jobs else replace(told, jobs=0, last=told.first)


def until(folder: Path, jobs: int) -> Seen:
    """What was seen when so many jobs had run, or when none had for a while."""
    told, moved = seen(folder), time.monotonic()
    while told.jobs < jobs and time.monotonic() - moved < _STUCK:
        time.sleep(0.005)
        now = seen(folder)
        moved = time.monotonic() if now.jobs > told.jobs else moved
        told = now
    return told


def load_of(pid: int) -> Load:
    """Of a process and all below it."""
    loads = [_load(each) for each in _tree(pid)]
    return Load(sum(each.cpu for each in loads), sum(each.rss for each in loads))


def _load(pid: int) -> Load:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return Load(
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        rss=int(fields[21]) * _PAGE / 1e6,
    )


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in children for each in _tree(int(child)))]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
