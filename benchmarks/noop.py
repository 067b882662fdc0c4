"""What jobkit itself costs: jobs that do nothing, through one worker with ten threads.

`python -m benchmarks.noop URL` prints the rates of one store as JSON, from a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter

import jobkit
from jobkit import Job, backends
from jobkit.adapter import Adapter
from jobkit.inspection import Inspector
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions

__all__ = ["JOBS", "NoOp", "Rates", "drain", "measured", "per_second"]

JOBS = 10_000
SINGLY = 1_000
THREADS = 10


class NoOp(Job):
    def perform(self, number: int) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Rates:
    """Jobs a second: stored many at a time, stored one at a time, and run and settled."""

    bulk: float
    single: float
    settled: float


def measured(url: str) -> Rates:
    """The rates of a store, which must be empty."""
    jobkit.configure(url=url)
    adapter = backends.get_adapter()
    many = JOBS - SINGLY
    rates = Rates(
        bulk=per_second(many, lambda: NoOp.perform_bulk((number,) for number in range(many))),
        single=per_second(SINGLY, lambda: [NoOp.perform_later(n) for n in range(SINGLY)]),
        settled=per_second(JOBS, lambda: drain(adapter)),
    )
    _check(Inspector(adapter))
    return rates


def per_second(jobs: int, work: Callable[[], object]) -> float:
    """How many of the jobs `work` does in a second."""
    began = perf_counter()
    work()
    return jobs / (perf_counter() - began)


def drain(adapter: Adapter) -> None:
    """All of a worker's life: register, run what is there, settle, retire."""
    options = WorkerOptions(queues=Queues(("default",)), concurrency=THREADS, burst=True)
    worker = Worker(adapter, options)
    assert worker.start()
    assert worker.next_message() == "done"
    assert worker.stop(options.shutdown_timeout)


def _check(inspector: Inspector) -> None:
    stats = inspector.stats()
    assert (stats.processed, stats.failed, stats.enqueued, stats.running) == (JOBS, 0, 0, 0), stats


if __name__ == "__main__":
    print(json.dumps(asdict(measured(sys.argv[1]))))
