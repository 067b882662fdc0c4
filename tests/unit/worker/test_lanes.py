"""Threads reserved for queues, in a worker on a store in memory."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from jobkit import Job
from jobkit.adapter import Claim
from jobkit.settings import Queues
from jobkit.worker.lanes import lanes_of
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

gate = threading.Event()
running: Counter[str] = Counter()
most: Counter[str] = Counter()
lock = threading.Lock()


@pytest.fixture(autouse=True)
def fresh() -> None:
    gate.clear()
    running.clear()
    most.clear()


class Brief(Job):
    def perform(self) -> None:
        queue = self.queue
        with lock:
            running[queue] += 1
            most[queue] = max(most[queue], running[queue])
        threading.Event().wait(0.001)
        with lock:
            running[queue] -= 1


class Hold(Job):
    def perform(self) -> None:
        gate.wait(20)


class Counting(MemoryAdapter):
    def __init__(self) -> None:
        super().__init__()
        self.claims: list[float] = []

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        self.claims.append(time.monotonic())
        return super().claim(queues, limit=limit, worker=worker)


def test_a_queue_has_exactly_its_threads_and_the_others_share_the_rest() -> None:
    lanes = lanes_of(Queues.parse(["a,3", "pdf@2", "b", "mail@1"]), 10)
    assert [(lane.queues.names, lane.threads) for lane in lanes] == [
        (("a", "b"), 7),
        (("pdf",), 2),
        (("mail",), 1),
    ]
    assert lanes[0].queues.weights == {"a": 3, "b": 1}


def test_under_load_no_lane_ever_takes_more_than_its_threads(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    number = 200
    for queue in ("pdf", "default", "low"):
        Brief.set(queue=queue).perform_bulk([() for _ in range(number)])
    worker = start_worker(
        queues=Queues.parse(["pdf@2", "default", "low"]), concurrency=5, burst=True
    )
    assert worker.next_message() == "done"
    assert store.stats().processed == 3 * number
    assert most["pdf"] == 2
    assert most["default"] <= 3
    assert most["low"] <= 3


def test_while_a_lane_is_full_the_store_is_asked_for_the_others_ten_times_a_second(
    start_worker: StartWorker,
) -> None:
    store = Counting()
    from jobkit import backends

    with backends.override(store):
        for _ in range(3):
            Hold.perform_later()
        start_worker(store, queues=Queues.parse(["pdf@1", "default"]), concurrency=3)
        until(lambda: store.stats().running == 2)
        before = len(store.claims)
        until(lambda: len(store.claims) > before + 13)
        assert store.claims[before + 13] - store.claims[before + 1] > 1, "12 claims in a second"
        Brief.set(queue="pdf").perform_later()
        until(lambda: store.stats().processed == 1)
        gate.set()
        until(lambda: store.stats().processed == 4)


def test_limits_on_jobs_count_over_all_lanes(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    for queue in ("pdf", "default"):
        Brief.set(queue=queue).perform_bulk([() for _ in range(10)])
    queues = Queues.parse(["pdf@2", "default"])
    worker = start_worker(queues=queues, concurrency=4, max_jobs=5)
    assert worker.next_message() == "done"
    assert store.stats().processed == 5
