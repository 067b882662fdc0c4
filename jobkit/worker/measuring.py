"""What the worker's runs took, gathered, and brought to the store once a second."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from jobkit.adapter import Ack, Settlement, Tally
from jobkit.errors import AdapterError, PayloadError
from jobkit.measures import FAILED, Measure, SupportsMetrics, bucket_of
from jobkit.transactions import Settled
from jobkit.worker.desk import Desk
from jobkit.worker.part import Part, Patience

__all__ = ["Measures", "Recorder"]

EVERY: Final = 1.0
"""Seconds that are gathered before they are recorded."""

_UNREADABLE: Final = "(unreadable)"

# Members of an enumeration are looked up by a call.
_PROCESSED: Final = Tally.PROCESSED
_FAILED: Final = Tally.FAILED


class Measures:
    """Sums by class and bucket. A store that keeps none is given none."""

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self.some = threading.Event()
        self._sums: dict[tuple[str, int], list[float]] = {}
        self._lock = threading.Lock()

    def add(self, batch: Iterable[tuple[Settlement | Settled, float]]) -> None:
        """Take the runs among these settlements, each with its seconds; below 0 it never ran."""
        if not self.kept:
            return
        with self._lock:
            for settlement, seconds in batch:
                if seconds < 0:
                    continue
                # Asked first: most are, and all of this is paid by every job.
                tally = settlement.tally if type(settlement) is Ack else _tally(settlement)
                if tally is _PROCESSED:
                    self._count(_class(settlement), bucket_of(seconds), 1, seconds)
                elif tally is _FAILED:
                    self._count(_class(settlement), FAILED, 1, 0.0)
        if not self.some.is_set():
            self.some.set()

    def put_back(self, measures: Iterable[Measure]) -> None:
        """Take what could not be recorded."""
        with self._lock:
            for each in measures:
                self._count(each.job_class, each.bucket, each.runs, each.seconds)
        self.some.set()

    def taken(self) -> list[Measure]:
        """What was gathered since the last time."""
        self.some.clear()
        with self._lock:
            sums, self._sums = self._sums, {}
        return [Measure(*key, int(runs), seconds) for key, (runs, seconds) in sums.items()]

    def _count(self, job_class: str, bucket: int, runs: int, seconds: float) -> None:
        sums = self._sums.get((job_class, bucket))
        if sums is None:
            sums = self._sums[job_class, bucket] = [0, 0.0]
        sums[0] += runs
        sums[1] += seconds


class Recorder(Part):
    """Records what was measured. What a store that is away did not take is kept for later."""

    name = "recorder"

    def __init__(self, desk: Desk, measures: Measures) -> None:
        super().__init__(desk)
        self._measures = measures
        self._patience = Patience(self.name)

    def wake(self) -> None:
        self._measures.some.set()

    def work(self) -> None:
        """Record once a second while there is something, and at the end what is left."""
        pause = EVERY
        while not self.ending.is_set():
            self._measures.some.wait()
            self.ending.wait(pause)
            pause = self._record()

    def _record(self) -> float:
        """The seconds until the next time."""
        adapter, measures = self.desk.adapter, self._measures.taken()
        if not measures or not isinstance(adapter, SupportsMetrics):
            return EVERY
        try:
            adapter.record(measures)
        except AdapterError as error:
            self._measures.put_back(measures)
            return max(EVERY, self._patience.failed(error))
        self._patience.worked()
        return EVERY


def _tally(settlement: Settlement | Settled) -> Tally:
    if isinstance(settlement, Settled):
        return Tally.PROCESSED  # by the job's own transaction, which only a run that ended well has
    return getattr(settlement, "tally", Tally.NEITHER)


def _class(settlement: Settlement | Settled) -> str:
    try:
        name = settlement.claim.payload.fields.get("class")
    except PayloadError:
        return _UNREADABLE
    return name if isinstance(name, str) else _UNREADABLE
