"""Whether a job is lent or claimed is left to chance: each runs once, and not too many at once."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator, Sequence
from time import sleep

import pytest

from jobkit import Job, backends
from jobkit.adapter import Claim
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until
from tests.unit.worker.lending import Lender

NUMBER = 240

lock = threading.Lock()
inside: set[int] = set()
ran: list[tuple[int, int]] = []
"""Each with how many ran at that moment, itself among them."""


class Mixed(Lender):
    """Claims find something now and then."""

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        self.busy_claims = random.random() < 0.4
        return super().claim(queues, limit=limit, worker=worker)


class Brief(Job, timeout=30, retry=0):
    def perform(self, number: int) -> None:
        with lock:
            inside.add(number)
            ran.append((number, len(inside)))
        sleep(random.choice((0, 0, 0.0002, 0.002)))
        with lock:
            inside.remove(number)
        if number % 5 == 0:
            raise SystemExit(number)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    inside.clear()
    ran.clear()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_each_job_runs_once_and_no_more_at_once_than_are_to(
    store: MemoryAdapter, start_worker: StartWorker, concurrency: int
) -> None:
    del store
    mixed = Mixed()
    with backends.override(mixed):
        worker = start_worker(mixed, concurrency=concurrency)
        for number in range(NUMBER):
            Brief.perform_later(number)
            sleep(random.choice((0, 0, 0, 0.0005, 0.003)))
        until(lambda: mixed.stats().processed == NUMBER)
        assert sorted(number for number, _ in ran) == list(range(NUMBER))
        assert max(at_once for _, at_once in ran) <= concurrency
        assert mixed.heard, "some were lent"
        until(lambda: worker._pool.free() == concurrency)
        assert worker._claimer.claimed == NUMBER
        assert worker.stop(30)
        assert worker.desk.inbox.empty()
