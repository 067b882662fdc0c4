"""The course of the demo: start a worker, enqueue, watch, probe, stop, count."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import click

from jobkit.adapter import State
from jobkit.cli.demo.jobs import CountWords, Probe, Summarize
from jobkit.cli.demo.progress import Progress
from jobkit.cli.demo.report import Run
from jobkit.cli.demo.results import Results
from jobkit.cli.demo.worker import DemoWorker, started_worker
from jobkit.errors import JobkitError
from jobkit.inspection import Inspector

__all__ = ["Demo"]

_PROBES: Final = 50
_SUMMARY_DELAY: Final = 1.0
_STALLED: Final = 30.0
_LOOK: Final = 0.02
_CLOSE_LOOK: Final = 0.002
_WAITING: Final = (State.ENQUEUED, State.SCHEDULED, State.RETRY)
_PAGE: Final = 500


class Demo:
    """One run over some files, on a queue of its own."""

    def __init__(
        self,
        files: Sequence[Path],
        *,
        url: str,
        queue: str,
        folder: Path,
        inspector: Inspector,
        progress: Progress,
    ) -> None:
        """`url` names the configured store to the worker; results and log go into `folder`."""
        self._files = [*files, folder / "no-such-file.txt"]  # the one that is sure to end dead
        self._url = url
        self._queue = queue
        self._folder = folder
        self._inspector = inspector
        self._progress = progress
        self._results_file = folder / "results.sqlite3"
        self._results = Results.at(self._results_file)

    def run(self) -> Run:
        """All of it. Raises ClickException when the worker fails, JobkitError when the store does.

        However it ends, no worker and no waiting job is left behind.
        """
        with self._cleared(), started_worker(self._url, self._queue, self._folder) as worker:
            worker.wait_until_ready(self._inspector)
            began = time.time()
            self._watch(worker, self._enqueue())
            self._probe(worker)
        return self._counted(began)

    def _enqueue(self) -> int:
        """A job for each file and, for a moment later, one that adds them up; their number."""
        rows = ((file, self._results_file) for file in self._files)
        stored = CountWords.set(queue=self._queue).perform_bulk(rows)
        later = Summarize.set(queue=self._queue, wait=_SUMMARY_DELAY)
        later.perform_later(len(self._files), self._results_file)
        return stored + 1

    def _watch(self, worker: DemoWorker, jobs: int) -> None:
        """Show the progress until all jobs have ended."""
        with closing(self._progress):
            for ended in self._ends(worker, jobs, _LOOK):
                self._progress.show(ended, jobs)

    def _probe(self, worker: DemoWorker) -> None:
        """Enqueue jobs one by one, at odd moments, for a worker that has nothing else to do."""
        before = self._results.ended()
        probe = Probe.set(queue=self._queue)
        for number in range(_PROBES):
            time.sleep(random.uniform(0.01, 0.03))
            probe.perform_later(self._results_file)
            for _ in self._ends(worker, before + number + 1, _CLOSE_LOOK):
                pass

    def _ends(self, worker: DemoWorker, jobs: int, pause: float) -> Generator[int]:
        """How many jobs have ended, again and again, until it is so many."""
        ended, changed_at = 0, time.monotonic()
        while True:
            before, ended = ended, self._results.ended()
            yield ended
            if ended >= jobs:
                return
            now = time.monotonic()
            changed_at = now if ended != before else changed_at
            if now - changed_at > _STALLED:
                raise click.ClickException(f"no job ended for {_STALLED:.0f} s: see {worker.log}")
            worker.check()
            time.sleep(pause)

    def _counted(self, began: float) -> Run:
        return Run(
            files=self._files,
            enqueued=len(self._files) + 1 + _PROBES,
            began=began,
            records=self._results.records(),
            words=self._results.words(Summarize.__name__),
            dead=self._number(State.DEAD),
            left=sum(self._number(state) for state in (*_WAITING, State.RUNNING)),
        )

    def _number(self, state: State) -> int:
        """How many of the queue's jobs are in that state."""
        number, cursor = 0, None
        while True:
            page = self._inspector.jobs(state, queue=self._queue, limit=_PAGE, after=cursor)
            number, cursor = number + len(page.items), page.next
            if cursor is None:
                return number

    @contextmanager
    def _cleared(self) -> Generator[None]:
        """Take back what was enqueued if the block fails: nobody would ever run it."""
        try:
            yield
        except BaseException:
            with suppress(JobkitError):
                for state in _WAITING:
                    self._inspector.discard_all(state, queue=self._queue)
            raise
