"""What counting runs costs: the minutes that a store keeps, and Prometheus' metrics.

    python -m benchmarks.metrics [sqlite] [postgresql] [redis] [--rounds N] [--jobs N]

drains no-op jobs with one worker, in rounds of three drains in changing order: nothing counted,
minutes as always, and `jobkit.contrib.prometheus` besides. Told is CPU time of the worker's
process a job, the medians, and the medians of what a round's drains took more than the one before.
Fails when one of the two costs more than 10 % of a job.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from prometheus_client import CollectorRegistry

import jobkit
from benchmarks.noop import NoOp, drain
from jobkit import backends, events
from jobkit.contrib import prometheus
from jobkit.worker.measuring import Measures
from tests.servers.postgres import Postgres
from tests.servers.valkey import running

MOST: Final = 0.1
"""The share of a job's cost that each may add."""

NOTHING, MINUTES, PROMETHEUS = "nothing", "minutes", "prometheus"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", metavar="store", help=", ".join(STORES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--url", help="measure this store here, and print the numbers as JSON")
    given = parser.parse_args()
    if given.url:
        print(json.dumps(_measured(given.url, given.rounds, given.jobs)))
        return 0
    dear = 0
    for name in given.stores or STORES:
        with STORES[name]() as url:
            numbers = ["--rounds", str(given.rounds), "--jobs", str(given.jobs)]
            command = [sys.executable, "-m", "benchmarks.metrics", "--url", url, *numbers]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            dear += _told(name, json.loads(answer))
    return 1 if dear else 0


def _told(store: str, took: Mapping[str, Sequence[float]]) -> int:
    """Print a store's numbers; how many of them are too high."""
    print(f"{store:12}", *(f"{name} {median(took[name]):.2f}" for name in took), "us a job")
    shares = [
        _more(took[MINUTES], took[NOTHING]),
        _more(took[PROMETHEUS], took[MINUTES]),
    ]
    print(f"{'':12}minutes {shares[0]:+.1%}, prometheus {shares[1]:+.1%}")
    return sum(share > MOST for share in shares)


def _more(these: Sequence[float], those: Sequence[float]) -> float:
    return median(this / that for this, that in zip(these, those, strict=True)) - 1


def _measured(url: str, rounds: int, jobs: int) -> dict[str, list[float]]:
    """Microseconds of CPU a job, by what is counted; the store must be empty."""
    jobkit.configure(url=url)
    variants: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
        NOTHING: _nothing,
        MINUTES: nullcontext,
        PROMETHEUS: _prometheus,
    }
    took: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name in random.sample([*variants], len(variants)):
            with variants[name]():
                spent = _spent(jobs)
            if turn:  # the first warms up
                took[name].append(spent / jobs * 1e6)
    return took


def _spent(jobs: int) -> float:
    """Seconds of CPU that this process takes to drain so many."""
    NoOp.perform_bulk((number,) for number in range(jobs))
    adapter = backends.get_adapter()
    began = time.process_time()
    drain(adapter)
    return time.process_time() - began


@contextmanager
def _nothing() -> Generator[None]:
    with patch.object(Measures, "add", lambda *_: None):
        yield


@contextmanager
def _prometheus() -> Generator[None]:
    metrics = prometheus.install(registry=CollectorRegistry())
    yield
    events.unsubscribe(metrics)


@contextmanager
def _sqlite() -> Generator[str]:
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/jobs.db"


@contextmanager
def _postgresql() -> Generator[str]:
    server = Postgres(durable=False)
    with ExitStack() as stack:
        stack.callback(server.remove)
        server.start()
        yield server.emptied("metrics")


@contextmanager
def _redis() -> Generator[str]:
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        yield server.url()


STORES: Final[Mapping[str, Callable[[], Any]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "redis": _redis,
}

if __name__ == "__main__":
    sys.exit(main())
