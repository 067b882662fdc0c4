"""Prometheus: what a store holds, and what this process's runs did.

from jobkit.contrib import prometheus

prometheus.install()          # in an application that exposes prometheus_client's registry
prometheus.exposition()       # the text of a /metrics of one's own

What is read from the store is the same from every process: scrape one of them for it. What runs
did is counted where they run.
"""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import add
from typing import Any, Final
from weakref import WeakKeyDictionary

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from jobkit import backends, events
from jobkit.adapter import Enqueues
from jobkit.capabilities import Stats
from jobkit.errors import AdapterError, Unsupported
from jobkit.events import Event
from jobkit.inspection import Inspector
from jobkit.measures import TIMES
from jobkit.outcome import Outcome
from jobkit.payload import Payload

__all__ = ["CONTENT_TYPE", "RunMetrics", "StoreCollector", "exposition", "install"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""Of what `exposition` returns."""

_TOTALS: Final = ("processed", "failed")
_STATES: Final = tuple(
    field.name for field in fields(Stats) if field.name not in (*_TOTALS, "workers")
)

_MANY: Final = 100_000
"""Jobs from which on what a store holds need not be told of this very moment."""

_SHARE: Final = 20
_LONGEST: Final = 5.0

_HEARD: Final = (*("perform", "enqueue", "retry_scheduled", "bury", "claim_lost", "worker_lost"),)


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
            found = _lately(self._backend)
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
        # By files, which only the library writes.
        shared = getattr(values.ValueClass, "_multiprocess", False)
        runs = _SharedRuns(registry) if shared else _Runs(registry)
        self.ended: Final = runs.ended
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

    def __call__(self, event: Event) -> None:
        """Count an event."""
        match event.name:
            case "perform":
                self.ended(event.job, event.data["outcome"], event.duration or 0.0)
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


class _SharedRuns:
    """Runs counted by the library's metrics: what processes share by files, only these write."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        by_job = ("job", "queue")
        self.runs = Counter(
            "jobkit_runs", "Runs that ended, by outcome.", (*by_job, "outcome"), registry=registry
        )
        self.seconds = Histogram(
            "jobkit_run_seconds", "What runs took.", by_job, buckets=TIMES, registry=registry
        )

    def ended(self, job: Any, outcome: Outcome, seconds: float) -> None:
        """Count a run."""
        labels = _labels(job)
        self.runs.labels(*labels, _name(outcome)).inc()
        self.seconds.labels(*labels).observe(seconds)


@dataclass(slots=True)
class _Tally:
    """Runs of one class, queue and outcome: their seconds, and how many ended in each bucket."""

    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(TIMES) + 1))


class _Runs(Collector):
    """Runs counted in plain numbers, told as the library's metrics would tell them.

    To count with those costs a run three times as much.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Counted with never; asked for their samples, of which only the values are ours.
        self._blank = _SharedRuns(None)
        self._tallies: dict[tuple[str, str, str], _Tally] = {}
        # By what needs no text to be made: a run that is like another is found at once.
        self._found: dict[tuple[str, str, type], _Tally] = {}
        # Taken again by its own thread where the collector of garbage ends an object of a job's.
        self._lock = threading.RLock()
        registry.register(self)

    def ended(self, job: Any, outcome: Outcome, seconds: float) -> None:
        """Count a run."""
        key = (*_whose(job), type(outcome))
        bucket = bisect_left(TIMES, seconds)  # `le`: what took just as long is inside
        with self._lock:
            tally = self._found.get(key)
            if tally is None:
                tally = self._found[key] = self._tally(job, outcome)
            tally.seconds += seconds
            tally.buckets[bucket] += 1

    def describe(self) -> Iterable[Metric]:
        """Their names, so that nobody else registers them."""
        return [*self._blank.runs.describe(), *self._blank.seconds.describe()]

    def collect(self) -> list[Metric]:
        """The metrics as they are now."""
        with self._lock:
            times: dict[tuple[str, str], _Tally] = {}
            for (job, queue, _), tally in self._tallies.items():
                whole = times.setdefault((job, queue), _Tally())
                whole.seconds += tally.seconds
                whole.buckets = [*map(add, whole.buckets, tally.buckets)]
            return [
                _filled(self._blank.runs, self._tallies),
                _filled(self._blank.seconds, times),
            ]

    def _tally(self, job: Any, outcome: Outcome) -> _Tally:
        labels, name = _labels(job), _name(outcome)
        self._blank.runs.labels(*labels, name)
        self._blank.seconds.labels(*labels)
        return self._tallies.setdefault((*labels, name), _Tally())


def install(backend: str = "default", *, registry: CollectorRegistry = REGISTRY) -> RunMetrics:
    """Have the registry tell what the backend holds and what this process's runs do.

    Once a process and registry. `jobkit.events.unsubscribe` takes what it returns off again.
    """
    metrics = RunMetrics(registry)
    registry.register(StoreCollector(backend))
    return events.subscribe(metrics, names=_HEARD, runs=metrics.ended)


def exposition(backend: str = "default") -> bytes:
    """What a store holds in Prometheus' text format, for a page of one's own.

    With what else the process's usual registry has, if it holds the store already (`install`).
    """
    registry = CollectorRegistry()
    registry.register(StoreCollector(backend))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was slow to count, and until when it is told again, by the monotonic clock."""

    until: float
    metrics: Sequence[Metric]


_counted: WeakKeyDictionary[Enqueues, _Counted] = WeakKeyDictionary()
_counting = threading.Lock()


def _lately(backend: str) -> Sequence[Metric]:
    """The store's metrics; of very many jobs those of a moment ago, whoever asks.

    So however many ask, and however often, one at a time has the store count, and seldom.
    """
    adapter = backends.get(backend)
    with _counting:
        known = _counted.get(adapter)
        if known is not None and time.monotonic() < known.until:
            return known.metrics
        began = time.monotonic()
        metrics = [*_of_store(Inspector(adapter), backend)]
        ended = time.monotonic()
        if _size(metrics) >= _MANY:
            until = ended + min(_LONGEST, _SHARE * (ended - began))
            _counted[adapter] = _Counted(until, metrics)
        return metrics


def _size(metrics: Iterable[Metric]) -> float:
    (jobs,) = (each for each in metrics if each.name == "jobkit_jobs")
    return sum(sample.value for sample in jobs.samples)


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


def _name(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()


def _filled(blank: Counter | Histogram, tallies: Mapping[Any, _Tally]) -> Metric:
    """A metric's samples, with the values that the tallies have for their labels."""
    (metric,) = blank.collect()
    metric.samples = [
        sample if sample.name.endswith("_created") else _with_value(sample, tallies)
        for sample in metric.samples
    ]
    return metric


def _with_value(sample: Sample, tallies: Mapping[Any, _Tally]) -> Sample:
    labels = sample.labels
    tally = tallies[tuple(labels[name] for name in ("job", "queue", "outcome") if name in labels)]
    if sample.name.endswith("_sum"):
        return sample._replace(value=tally.seconds)
    ended = bisect_left(TIMES, float(labels.get("le", "inf")))
    return sample._replace(value=float(sum(tally.buckets[: ended + 1])))


def _whose(job: Any) -> tuple[str, Any]:
    """What tells apart what `_labels` would, without what that costs."""
    if job is None:
        return "", ""
    # `job.queue` looks there, too, and costs as much as all the rest of counting a run.
    payload: Payload | None = job._payload
    return job._plan.name, job.queue if payload is None else payload.fields.get("queue")
