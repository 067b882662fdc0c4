"""Metrics of a store and of runs, as the real client writes them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from jobkit import Job, backends, discard_on, events, retry_on
from jobkit.adapter import Claim, Enqueues
from jobkit.capabilities import Stats
from jobkit.contrib import prometheus
from jobkit.errors import AdapterError
from jobkit.measures import TIMES
from jobkit.outcome import SUCCEEDED, Released
from jobkit.payload import Payload
from jobkit_inline import FakeAdapter, MemoryAdapter, drain, use_adapter

Samples = Callable[..., float | None]


class Ships(Job, queue="orders"):
    def perform(self) -> None:
        pass


@retry_on(ConnectionError, attempts=3)
class Breaks(Job):
    def perform(self) -> None:
        raise ConnectionError


@discard_on(KeyError)
class Unwanted(Job):
    def perform(self) -> None:
        raise KeyError


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    made = CollectorRegistry()
    metrics = prometheus.install(registry=made)
    yield made
    events.unsubscribe(metrics)


def test_runs_are_counted_by_outcome_and_timed(registry: CollectorRegistry) -> None:
    with use_adapter(FakeAdapter()):
        for job in (Ships, Ships, Breaks, Unwanted):
            job.perform_later()
        drain()
    told = registry.get_sample_value
    ships = {"job": Ships._name, "queue": "orders"}
    breaks = {"job": Breaks._name, "queue": "default"}
    assert told("jobkit_enqueued_total", ships) == 2
    assert told("jobkit_runs_total", {**ships, "outcome": "succeeded"}) == 2
    assert told("jobkit_runs_total", {**breaks, "outcome": "retried"}) == 2
    assert told("jobkit_runs_total", {**breaks, "outcome": "buried"}) == 1
    assert told("jobkit_retries_total", breaks) == 2
    assert told("jobkit_deaths_total", breaks) == 1
    unwanted = {"job": Unwanted._name, "queue": "default", "outcome": "discarded"}
    assert told("jobkit_runs_total", unwanted) == 1
    assert told("jobkit_run_seconds_count", ships) == 2
    assert told("jobkit_run_seconds_bucket", {**ships, "le": str(TIMES[-1])}) == 2


def test_times_are_told_as_the_librarys_histogram_would(registry: CollectorRegistry) -> None:
    plain = CollectorRegistry()
    theirs = Histogram(
        "jobkit_run_seconds", "What runs took.", ("job", "queue"), buckets=TIMES, registry=plain
    )
    for seconds, outcome in zip(
        (0.0, *TIMES, 0.11, 1e6), cycle((SUCCEEDED, Released())), strict=False
    ):
        events.emit("perform", job=Ships.new(), duration=seconds, outcome=outcome)
        theirs.labels(Ships._name, "orders").observe(seconds)
    assert times(registry) == times(plain)


def test_a_name_of_a_metric_of_runs_is_taken(registry: CollectorRegistry) -> None:
    with pytest.raises(ValueError, match="jobkit_run_seconds"):
        Histogram("jobkit_run_seconds", "Somebody else's.", registry=registry)


def test_processes_that_share_their_numbers_by_files_share_runs(tmp_path: Path) -> None:
    program = """
from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess
from jobkit import events
from jobkit.contrib import prometheus
from jobkit.outcome import SUCCEEDED
prometheus.install()
events.emit_run(None, None, 0.5, SUCCEEDED)
whole = CollectorRegistry()
multiprocess.MultiProcessCollector(whole)
print(generate_latest(whole).decode())
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert 'jobkit_runs_total{job="",outcome="succeeded",queue=""} 1.0' in told.stdout
    assert 'jobkit_run_seconds_sum{job="",queue=""} 0.5' in told.stdout


def test_an_aborted_enqueue_and_one_whose_text_nobody_can_read_break_nothing(
    registry: CollectorRegistry,
) -> None:
    events.emit("enqueue", job=Ships(), aborted=True)
    events.emit("bury", error=ValueError(), reason="no job")
    assert registry.get_sample_value("jobkit_deaths_total", {"job": "", "queue": ""}) == 1


def test_leases_and_workers_that_were_lost_are_counted(registry: CollectorRegistry) -> None:
    events.emit("claim_lost", claim=Claim(Payload("{}"), "r"))
    events.emit("worker_lost", worker="w", jobs=3)
    assert registry.get_sample_value("jobkit_leases_lost_total") == 1
    assert registry.get_sample_value("jobkit_workers_lost_total") == 1


def test_a_store_tells_depths_latencies_and_sizes() -> None:
    adapter = MemoryAdapter()
    with backends.override(adapter):
        Ships.perform_later()
        Ships.set(wait=600).perform_later()
        adapter.pause("orders")
        told = samples(prometheus.exposition())
    queue = {"backend": "default", "queue": "orders"}
    assert told("jobkit_up", backend="default") == 1
    assert told("jobkit_jobs", backend="default", state="enqueued") == 1
    assert told("jobkit_jobs", backend="default", state="scheduled") == 1
    assert told("jobkit_jobs", backend="default", state="dead") == 0
    assert told("jobkit_queue_size", **queue) == 1
    assert 0 <= (told("jobkit_queue_latency_seconds", **queue) or 0) < 60
    assert told("jobkit_queue_paused", **queue) == 1
    assert told("jobkit_processed_total", backend="default") == 0
    assert told("jobkit_workers", backend="default") == 0


class Away(MemoryAdapter):
    def stats(self) -> Stats:
        raise AdapterError("the server is away")


class Counting(MemoryAdapter):
    """Says that it holds so many jobs, and how often it was asked."""

    asked = 0

    def __init__(self, holds: int) -> None:
        super().__init__()
        self._holds = holds

    def stats(self) -> Stats:
        self.asked += 1
        return Stats(dead=self._holds)


@pytest.mark.parametrize(("holds", "asked"), [(100_000, 1), (99_999, 4)])
def test_scrapers_of_a_store_with_very_many_jobs_share_a_count(
    holds: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "_SHARE", 1e12)
    monkeypatch.setattr(prometheus, "_LONGEST", 600.0)
    adapter = Counting(holds)
    with backends.override(adapter), ThreadPoolExecutor(4) as scrapers:
        pages = [*scrapers.map(lambda _: prometheus.exposition(), range(4))]
    told = {samples(page)("jobkit_jobs", backend="default", state="dead") for page in pages}
    assert (told, adapter.asked) == ({holds}, asked)


def test_what_was_counted_is_told_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "_LONGEST", 0.0)
    adapter = Counting(100_000)
    with backends.override(adapter):
        prometheus.exposition()
        prometheus.exposition()
    assert adapter.asked == 2


@pytest.mark.parametrize("adapter", [Away(), Ships])
def test_a_store_that_cannot_tell_is_down_and_no_error(adapter: Any) -> None:
    class Taking(Enqueues):
        features = MemoryAdapter.features

        def enqueue(self, payloads: object) -> None: ...

    with backends.override(adapter if isinstance(adapter, Away) else Taking()):
        told = samples(prometheus.exposition())
    assert told("jobkit_up", backend="default") == 0
    assert told("jobkit_workers", backend="default") is None


def test_whatever_a_queue_is_called_the_page_can_be_read() -> None:
    adapter = MemoryAdapter()
    strange = 'a"b\\c\nd\ud800'
    adapter.pause(strange)
    with backends.override(adapter):
        told = samples(prometheus.exposition())
    assert told("jobkit_queue_paused", backend="default", queue='a"b\\c\nd\ufffd') == 1


def test_the_registry_of_the_application_has_both(registry: CollectorRegistry) -> None:
    with backends.override(MemoryAdapter()):
        Ships.perform_later()
        told = samples(generate_latest(registry))
    assert told("jobkit_jobs", backend="default", state="enqueued") == 1
    assert told("jobkit_enqueued_total", job=Ships._name, queue="orders") == 1


def times(registry: CollectorRegistry) -> list[Any]:
    """The samples of the histogram, but for when it was made."""
    [family] = [each for each in registry.collect() if each.name == "jobkit_run_seconds"]
    return [
        (sample.name, sample.labels, pytest.approx(sample.value))
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def samples(text: bytes) -> Samples:
    """What a scraper reads."""
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    return lambda name, **labels: found.get((name, tuple(sorted(labels.items()))))
