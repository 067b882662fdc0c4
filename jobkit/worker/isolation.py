"""Runs of classes with `isolation="process"`: each in a process of its own, and what its end means.

The run's outcome is decided once: in that process, where the job's code, callbacks, middleware,
rules and hooks run; or here, by the same rules, when it died or had to be killed.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
from dataclasses import replace
from time import monotonic
from typing import Final

from jobkit import events, settings
from jobkit.adapter import Adapter, Claim
from jobkit.clock import Clock
from jobkit.errors import JobCrashed, JobTimeout, Unsupported
from jobkit.jobs.performing import tell_outcome
from jobkit.jobs.running import Run
from jobkit.outcome import SUCCEEDED, Abandoned, Outcome, Released
from jobkit.payload import Payload
from jobkit.worker.carried import Began, BodyEnded, Broke, Completed, Ended, Kept, Task, Word
from jobkit.worker.cell import Cell
from jobkit.worker.desk import Desk
from jobkit.worker.failing import failed

__all__ = ["Isolation"]

_GLANCE: Final = 0.1
"""Seconds between looks at the clock, at the process's memory, and at what the worker knows."""

_BOOT: Final = 60.0
"""Seconds that the process may take to load the application."""

_log = logging.getLogger("jobkit.worker")


class Isolation:
    """Runs jobs in processes of their own; the thread that asks waits for the end."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._adapter: Adapter = desk.adapter
        self._clock: Clock = desk.clock
        self._lock = threading.Lock()
        self._cells: set[Cell] = set()
        self._over = False

    def outcome(self, claim: Claim, run: Run) -> tuple[Claim, Outcome] | None:
        """The claim as it is to be settled and the run's outcome, subscribers told.

        None: a transaction of its own has settled it.

        Raises Abandoned when the worker ended before the run.
        """
        events.emit("perform_start", job=run.job, adapter=self._adapter)
        began = run.began = monotonic()
        watch = _Watch(claim, run, self._desk)
        ending = self._ending(watch, run)
        if isinstance(ending, BaseException):
            ending = failed(run, ending, self._clock.time())
        outcome = SUCCEEDED if ending is None else ending
        tell_outcome(run.job, self._adapter, outcome, monotonic() - began)
        return None if ending is None else (watch.claim, ending)

    def end(self) -> None:
        """The worker leaves: nothing that still runs may go on, since its job is given back."""
        with self._lock:
            self._over = True
            for cell in self._cells:
                cell.kill()

    def _ending(self, watch: _Watch, run: Run) -> Outcome | BaseException | None:
        """What its process said at the end, or the error that ended it."""
        url = self._desk.options.url
        if url is None:
            return Unsupported(
                f"{run.payload.job_class} has isolation='process', and no other process can reach "
                f"the store ({type(self._adapter).__name__} in this one): use a store with a URL"
            )
        try:
            cell = Cell(_task(watch.claim, run, url, log=not self._desk.options.embedded))
        except OSError as error:
            return error
        with self._lock:
            self._cells.add(cell)
            if self._over:
                cell.kill()
        try:
            return self._watched(cell, watch)
        finally:
            with self._lock:
                self._cells.discard(cell)
                cell.kill()
            cell.ended()

    def _watched(self, cell: Cell, watch: _Watch) -> Outcome | BaseException | None:
        while (words := cell.heard(_GLANCE)) is not None:
            for word in words:
                watch.noted(word)
                if isinstance(word, Ended | Completed | Broke):
                    cell.ended()
                    return _ending_of(word)
            if watch.lost():
                cell.kill()
                # Whose it is says the store: it refuses this one, too, if others have the job.
                return Released()
            if (error := watch.looked(cell)) is not None:
                cell.kill()
                return error
        if self._over:
            raise Abandoned
        return JobCrashed.of_code(cell.ended())


class _Watch:
    """The limits of one run."""

    def __init__(self, claim: Claim, run: Run, desk: Desk) -> None:
        self.claim = claim
        """With the text that the run has made of the job so far."""
        self._desk = desk
        self._timeout = run.timeout
        self._most = run.max_memory
        self._due = monotonic() + _BOOT
        self._late: BaseException = JobCrashed(
            f"its process had not loaded the application within {_BOOT:g} s"
        )
        self._stopped = self._cancelled = False

    def noted(self, word: Word) -> None:
        """From the beginning of the body to its end the limit counts."""
        match word:
            case Began() if self._timeout is not None:
                self._due = monotonic() + self._timeout
                self._late = JobTimeout(f"the job ran longer than its limit of {self._timeout:g} s")
            case Began() | BodyEnded():
                self._due = math.inf
            case Kept(text):
                self._became(text)
                if self._desk.holder is not None:
                    self._desk.holder.save(self.claim, self.claim.payload)
            case Ended(_, str(text)):
                self._became(text)
            case _:
                pass

    def _became(self, text: str) -> None:
        self.claim = replace(self.claim, payload=Payload(text))

    def lost(self) -> bool:
        """True when the job is another worker's by now: it must not run on here."""
        if self._desk.holder is None or self._desk.holder.holds(self.claim):
            return False
        name = self.claim.payload.job_class
        _log.warning("%s is another worker's by now: its process is killed", name)
        return True

    def looked(self, cell: Cell) -> BaseException | None:
        """Pass on what the job must hear; the error by which the run must be ended now."""
        if self._desk.stopping.is_set() and not self._stopped:
            self._stopped = True
            cell.stop()
        if not self._cancelled and self.claim.receipt in self._desk.cancelled:
            self._cancelled = True
            cell.cancel()
        if monotonic() >= self._due:
            return self._late
        if self._most is not None and (size := cell.resident_bytes()) > self._most << 20:
            return MemoryError(
                f"the job took {size >> 20} MB of memory, its limit is {self._most} MB"
            )
        return None


def _ending_of(word: Ended | Completed | Broke) -> Outcome | BaseException | None:
    match word:
        case Ended(outcome):
            return outcome
        case Completed():
            return None
        case Broke(reason):
            return JobCrashed(reason)


def _task(claim: Claim, run: Run, url: str, *, log: bool) -> Task:
    return Task(
        text=claim.payload.text,
        receipt=claim.receipt,
        deliveries=claim.deliveries,
        url=url,
        path=list(sys.path),
        modules=list(dict.fromkeys((*settings.current().imports, run.module))),
        settings=settings.handed_on(),
        log=log,
    )
