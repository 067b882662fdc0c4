"""Real workers on a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from jobkit import backends, middleware, settings
from jobkit.adapter import Adapter
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit.worker.pace import Waiting
from jobkit_inline import MemoryAdapter
from tests.unit.worker.lending import Lender
from tests.unit.worker.noting import Noting, forgotten, one_does_all

StartWorker = Callable[..., Worker]


@pytest.fixture
def store() -> Iterator[MemoryAdapter]:
    adapter = MemoryAdapter()
    with backends.override(adapter):
        yield adapter
    middleware.clear()
    settings.reset()


@pytest.fixture
def lender(store: MemoryAdapter) -> Iterator[Lender]:
    del store  # in its place: what is overridden last counts
    lender = Lender()
    with backends.override(lender):
        yield lender


@pytest.fixture
def noting(store: MemoryAdapter) -> Iterator[Noting]:
    del store
    noting = Noting()
    with forgotten(), backends.override(noting):
        yield noting


@pytest.fixture
def start_worker(store: MemoryAdapter) -> Iterator[StartWorker]:
    """Starts workers on the store (or another adapter) and stops them after the test."""
    started: list[Worker] = []

    def start(adapter: Adapter | None = None, **options: object) -> Worker:
        given = {"queues": Queues(("default",)), "concurrency": 4, **options}
        worker = Worker(adapter or store, WorkerOptions(**given))  # type: ignore[arg-type]
        assert worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.desk.hurried = True
        worker.stop(0)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is given back because no thread has started it within a moment.

    On a busy machine that happens, and is in order: for tests that count what is settled.
    """
    monkeypatch.setattr(Waiting, "age", lambda *_: 0.0)


@pytest.fixture
def one_at_work(noting: Noting, start_worker: StartWorker, unhurried: None) -> StartWorker:
    """Starts workers in which the thread that leads does all, as long as nobody says otherwise."""

    def start(**options: object) -> Worker:
        worker = start_worker(noting, **options)
        one_does_all(worker)
        return worker

    return start
