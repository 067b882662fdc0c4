"""Prometheus: what a store holds, and what this process's runs did.

from jobkit.contrib import prometheus

prometheus.install()          # in an application that exposes prometheus_client's registry
prometheus.exposition()       # the text of a /metrics of one's own

What is read from the store is the same from every process: scrape one of them for it. What runs
did is counted where they run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobkit import events
from jobkit.capabilities import Stats
from jobkit.errors import AdapterError, Unsupported
from jobkit.events import Event
from jobkit.inspection import Inspector, inspect
from jobkit.measures import TIMES

__all__ = ["CONTENT_TYPE", "RunMetrics", "StoreCollector", "exposition", "install"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""Of what `exposition` returns."""

_TOTALS: Final = ("processed", "failed")
_STATES: Final = tuple(
    field.name for field in fields(Stats) if field.name not in (*_TOTALS, "workers")
)


class StoreCollector(Collector):
    """Queue depths and latencies, sizes, totals and workers of a backend, read when asked.

    A store that does not answer is `jobkit_up 0`, and no error of the page it stands on.
    """

    def __init__(self, backend: str = "default") -> None:
        self._backend = backend

    def describe(self) -> Iterable[Metric]:
        """Nothing: the store is not to be asked when this is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        up = _gauge("jobkit_up", "1 if the store answered.", ("backend",))
        try:
            found = [*_of_store(inspect(self._backend), self._backend)]
        except (AdapterError, Unsupported):
            found = []
        up.add_metric([self._backend], 1 if found else 0)
        yield up
        yield from found


class RunMetrics:
    """Counts what this process's jobs do: a subscriber to events (see `install`)."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        by_job = ("job", "queue")
        self._enqueued = Counter(
            "jobkit_enqueued", "Jobs this process stored.", by_job, registry=registry
        )
        self._runs = Counter(
            "jobkit_runs",
            "Runs that ended, by outcome.",
            (*by_job, "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "jobkit_run_seconds", "What runs took.", by_job, buckets=TIMES, registry=registry
        )
        self._retries = Counter(
            "jobkit_retries", "Runs that will be repeated.", by_job, registry=registry
        )
        self._deaths = Counter(
            "jobkit_deaths", "Jobs that went to the dead set.", by_job, registry=registry
        )
        self._lost = Counter(
            "jobkit_leases_lost",
            "Outcomes that came too late: the job belonged to another worker.",
            registry=registry,
        )
        self._lost_workers = Counter(
            "jobkit_workers_lost", "Workers this process declared dead.", registry=registry
        )
        # The library looks a child up under a lock and by texts made anew: half of what it costs.
        self._of_runs: dict[tuple[str, str, type], tuple[Counter, Histogram]] = {}

    def __call__(self, event: Event) -> None:
        """Count an event."""
        match event.name:
            case "perform":  # first: it comes with every run
                self._ended(event)
            case "perform_start":
                pass
            case "claim_lost":
                self._lost.inc()
            case "worker_lost":
                self._lost_workers.inc()
            case "enqueue" if not event.data.get("aborted"):
                self._enqueued.labels(*_labels(event.job)).inc()
            case "retry_scheduled":
                self._retries.labels(*_labels(event.job)).inc()
            case "bury":
                self._deaths.labels(*_labels(event.job)).inc()
            case _:
                pass

    def _ended(self, event: Event) -> None:
        job, outcome = event.job, type(event.data["outcome"])
        key = ("", "", outcome) if job is None else (job._plan.name, job.queue, outcome)
        found = self._of_runs.get(key)
        if found is None:
            labels = _labels(job)
            runs = self._runs.labels(*labels, outcome.__name__.lower())
            found = self._of_runs[key] = runs, self._seconds.labels(*labels)
        found[0].inc()
        found[1].observe(event.duration or 0.0)


def install(backend: str = "default", *, registry: CollectorRegistry = REGISTRY) -> RunMetrics:
    """Have the registry tell what the backend holds and what this process's runs do.

    Once a process and registry. `jobkit.events.unsubscribe` takes what it returns off again.
    """
    metrics = RunMetrics(registry)
    registry.register(StoreCollector(backend))
    return events.subscribe(metrics)


def exposition(backend: str = "default") -> bytes:
    """What a store holds in Prometheus' text format, for a page of one's own.

    With what else the process's usual registry has, if it holds the store already (`install`).
    """
    registry = CollectorRegistry()
    registry.register(StoreCollector(backend))
    return generate_latest(registry)


def _of_store(inspector: Inspector, backend: str) -> Iterator[Metric]:
    stats = inspector.stats()
    jobs = _gauge("jobkit_jobs", "Jobs, by state.", ("backend", "state"))
    for state in _STATES:
        jobs.add_metric([backend, state], getattr(stats, state))
    yield jobs
    for name in _TOTALS:
        text = f"Runs {name} since the store began."
        total = CounterMetricFamily(f"jobkit_{name}", text, labels=("backend",))
        total.add_metric([backend], getattr(stats, name))
        yield total
    workers = _gauge("jobkit_workers", "Worker processes.", ("backend",))
    workers.add_metric([backend], stats.workers)
    yield workers
    yield from _of_queues(inspector, backend)


def _of_queues(inspector: Inspector, backend: str) -> Iterator[Metric]:
    by_queue = ("backend", "queue")
    sizes = _gauge("jobkit_queue_size", "Enqueued jobs.", by_queue)
    ages = _gauge("jobkit_queue_latency_seconds", "Age of the oldest enqueued job.", by_queue)
    paused = _gauge("jobkit_queue_paused", "1 while nothing is taken from the queue.", by_queue)
    for queue in inspector.queues():
        labels = [backend, _text(queue.name)]
        sizes.add_metric(labels, queue.size)
        ages.add_metric(labels, queue.latency)
        paused.add_metric(labels, queue.paused)
    yield from (sizes, ages, paused)


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


def _labels(job: Any) -> tuple[str, str]:
    """A job's class and queue; of one whose text could not be read nothing is known."""
    return ("", "") if job is None else (job._plan.name, _text(job.queue))


def _text(name: str) -> str:
    """What can be written: a queue may be named by half a character."""
    return re.sub("[\ud800-\udfff]", "\ufffd", name)
