"""Workers on a PostgreSQL server that ends their connections, restarts and goes away."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import quantiles

import pytest

from jobkit.adapter import Ack
from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from tests.integration.worker.site import Site, payload, until
from tests.servers.postgres import Postgres
from tests.soak import SOAK
from tests.timing import Queued

ENDED = 400 if SOAK else 40
"""Times that every connection is ended."""

RESTARTED = 10 if SOAK else 2
RESUMED = 5.0
"""Seconds in which work must go on behind a fault."""

RATE = 0.005

_ENDINGS = (signal.SIGINT, signal.SIGQUIT)
"""An orderly shutdown, and a crash."""


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of its own, which may be stopped."""
    server = Postgres(durable=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def site(server: Postgres, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, server.emptied("faults"))
    yield site
    site.close()


class Producer(threading.Thread):
    """Enqueues one job after the other, a failed one again: by its id it is one job."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._ending = threading.Event()
        self.stored = 0

    def run(self) -> None:
        with closing(SqlAdapter(self._site.url)) as store:
            while not self._ending.wait(RATE):
                with suppress(AdapterError):
                    store.enqueue([payload("app.Count", self.stored)])
                    self.stored += 1

    def end(self) -> int:
        """Stop, and the number of jobs that were stored."""
        self._ending.set()
        self.join()
        return self.stored


@contextmanager
def producing(site: Site) -> Generator[Producer]:
    producer = Producer(site)
    producer.start()
    try:
        yield producer
    finally:
        producer.end()


def assert_all_accounted_for(site: Site, jobs: int) -> None:
    """Nothing was lost, and nothing was counted as finished twice."""
    until(lambda: site.store.stats().processed >= jobs, 30)
    stats = site.store.stats()
    assert (stats.enqueued, stats.running, stats.dead, stats.retry) == (0, 0, 0, 0)
    assert stats.processed == jobs
    assert set(site.finished()) == set(range(jobs))


def resumed_within(server: Postgres, site: Site, seconds: float) -> None:
    """Wait for a job that was not finished when this was called."""
    workers = [pid for worker in site.workers for pid in (worker.pid, *site.processes(worker))]
    before, began = len(site.log("F")), time.monotonic()
    with Queued([*workers, os.getpid(), *server.family()]) as queued:
        until(lambda: len(site.log("F")) > before, 60)
        took = time.monotonic() - began
    assert took - queued.seconds < seconds


def patiently(act: Callable[[], object]) -> None:
    """Do it as soon as the server lets one."""
    while True:
        with suppress(AdapterError):
            act()
            return
        time.sleep(0.05)


@pytest.mark.timeout(600)
def test_ended_connections_cost_no_job_and_double_none(server: Postgres, site: Site) -> None:
    workers = [site.start("-c", "4") for _ in range(2)]
    with producing(site) as producer:
        until(lambda: len(site.log("F")) > 20)
        ended = rounds = 0
        # Nobody can be cut off who has not come back yet: then it takes longer.
        while rounds < ENDED or ended <= 2 * ENDED:
            rounds += 1
            time.sleep(random.uniform(0, 0.1))
            ended += server.terminate("postgres")
        resumed_within(server, site, RESUMED)
        jobs = producer.end()
    assert_all_accounted_for(site, jobs)
    assert [worker.poll() for worker in workers] == [None, None]


@pytest.mark.timeout(600)
def test_a_server_that_restarts_is_worked_on_again_by_the_same_workers(
    server: Postgres, site: Site
) -> None:
    worker = site.start("-c", "4")
    with producing(site) as producer:
        until(lambda: len(site.log("F")) > 20)
        processes = site.processes(worker)
        for crash in range(RESTARTED):
            server.restart(number=_ENDINGS[crash % 2])
            resumed_within(server, site, RESUMED)
        jobs = producer.end()
    assert_all_accounted_for(site, jobs)
    assert site.processes(worker) == processes


@pytest.mark.timeout(600)
def test_a_server_that_stands_still_hangs_nobody(server: Postgres, site: Site) -> None:
    worker = site.start("-c", "4")
    with producing(site) as producer:
        until(lambda: len(site.log("F")) > 20)
        with server.frozen(), closing(SqlAdapter(site.url)) as other:
            began = time.monotonic()
            with pytest.raises(AdapterError):
                other.enqueue([payload("app.Count", -1)])
            assert time.monotonic() - began < 12
        resumed_within(server, site, 2 * RESUMED)
        jobs = producer.end()
    assert_all_accounted_for(site, jobs)
    assert worker.poll() is None


def test_workers_wait_for_a_server_that_is_read_only(server: Postgres, site: Site) -> None:
    site.start("-c", "2")
    site.enqueue("Count", range(3))
    until(lambda: site.finished() == [0, 1, 2])
    with server.connect() as other:
        other.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        other.execute("SELECT pg_reload_conf()")
        with pytest.raises(AdapterError, match="is read-only: name the primary in the URL"):
            until(lambda: site.enqueue("Count", range(3, 4)))
        until(lambda: "is read-only" in site.said())
        said, began = site.said().count("is read-only"), time.monotonic()
        time.sleep(1)
        tried = site.said().count("is read-only") - said
        assert tried < 15 * (time.monotonic() - began), "it tries without a pause"
        other.execute("SET default_transaction_read_only = off")
        other.execute("ALTER SYSTEM RESET default_transaction_read_only")
        other.execute("SELECT pg_reload_conf()")
    patiently(lambda: site.enqueue("Count", range(4, 6)))
    until(lambda: set(site.finished()) >= {0, 1, 2, 4, 5})
    assert Counter(site.finished())[4] == 1


@pytest.mark.skipif(not SOAK, reason="takes two minutes: run it with SOAK=1")
@pytest.mark.timeout(600)
def test_a_transaction_that_is_left_open_slows_claims_at_most_tenfold(
    server: Postgres, site: Site
) -> None:
    """It keeps dead rows from being removed, and every claim walks over those of its queue."""
    store = site.store
    store.beat("worker", lease=600, claims=[], register=True)
    fresh = _slowest_claims(site, seconds=5)
    with server.connect() as idle, idle.transaction():
        idle.execute("SELECT txid_current(), (SELECT count(*) FROM faults.jobkit_jobs)")
        _slowest_claims(site, seconds=60)
        bloated = _slowest_claims(site, seconds=5)
    assert bloated < max(10 * fresh, 0.1), (fresh, bloated)


def _slowest_claims(site: Site, *, seconds: float) -> float:
    """The 99th percentile of what a claim took, its jobs stored before and acked behind it."""
    ending, took = time.monotonic() + seconds, list[float]()
    while time.monotonic() < ending:
        site.enqueue("Count", range(20))
        began = time.monotonic()
        claims = site.store.claim(["default"], limit=20, worker="worker")
        took.append(time.monotonic() - began)
        site.store.settle([Ack(each) for each in claims])
    return quantiles(took, n=100)[98]
