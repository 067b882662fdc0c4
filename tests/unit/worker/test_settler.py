"""How long outcomes wait for company: as long as it pays with the store at hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from jobkit import Job
from jobkit.adapter import Adapter, Claim, Settlement
from jobkit.payload import Payload
from jobkit.worker.settler import BATCH
from jobkit_inline import MemoryAdapter
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

pytestmark = pytest.mark.usefixtures("unhurried")

gate = threading.Event()


class Hold(Job):
    def perform(self) -> None:
        gate.wait(30)


class Short(Job):
    def perform(self) -> None:
        pass


@pytest.fixture(autouse=True)
def shut() -> Iterator[None]:
    gate.clear()
    yield
    gate.set()


class Recording(MemoryAdapter):
    def __init__(self, gather: float) -> None:
        super().__init__()
        self.features = replace(MemoryAdapter.features, gather=gather)
        self.settled: list[int] = []

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        self.settled.append(len(settlements))
        return super().settle(settlements)

    def add(self, job: type[Job], number: int) -> None:
        stored = {"class": job._name, "args": [], "queue": "default"}
        self.enqueue([Payload.of({**stored, "jid": f"{job._name}{n}"}) for n in range(number)])


def test_outcomes_wait_for_others_while_jobs_run(start_worker: StartWorker) -> None:
    adapter = Recording(gather=60.0)
    adapter.add(Hold, 1)
    worker = start_worker(adapter, concurrency=2)
    until(worker._pool.running)
    adapter.add(Short, BATCH)
    until(lambda: adapter.settled)
    assert adapter.settled == [BATCH]


def test_outcomes_wait_no_longer_than_the_adapter_says(start_worker: StartWorker) -> None:
    adapter = Recording(gather=0.001)
    adapter.add(Hold, 1)
    adapter.add(Short, 1)
    start_worker(adapter, concurrency=2)
    until(lambda: adapter.settled)
    assert adapter.settled == [1]


@pytest.mark.parametrize(("adapter", "seconds"), [(SqlAdapter, 0.01), (RedisAdapter, 0.005)])
def test_a_quick_store_is_told_sooner(adapter: type[Adapter], seconds: float) -> None:
    assert adapter.features.gather == seconds
