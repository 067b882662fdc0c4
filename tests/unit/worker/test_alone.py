"""A job that cost two processes runs by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jobkit import Job
from jobkit.payload import Payload
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until


class World:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: set[str] = set()
        self.met: list[frozenset[str]] = []
        self.gate = threading.Event()


world = World()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    global world  # noqa: PLW0603 - jobs are classes, and find it here
    world = World()
    yield
    world.gate.set()


class Meet(Job):
    """Notes who else is inside."""

    def perform(self, name: str) -> None:
        here = world
        with here.lock:
            here.inside.add(name)
            here.met.append(frozenset(here.inside))
        if not name.startswith("quick"):
            here.gate.wait(30)
        with here.lock:
            here.inside.remove(name)


def put(store: MemoryAdapter, *names: str, **fields: Any) -> None:
    plain = {"class": Meet._name, "queue": "default", **fields}
    store.enqueue([Payload.of({"args": [name], "jid": name, **plain}) for name in names])


def test_it_waits_until_what_runs_has_ended_and_nothing_starts_beside_it(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    put(store, "first", "second")
    worker = start_worker(concurrency=4)
    until(lambda: world.inside == {"first", "second"})
    put(store, "quick-suspect", deliveries=2)
    until(lambda: len(worker.desk.held) == 3)
    put(store, "quick-later")
    assert not world.gate.wait(0.2)  # time enough to do it wrong
    assert world.inside == {"first", "second"}
    world.gate.set()
    until(lambda: store.stats().processed == 4)
    assert frozenset({"quick-suspect"}) in world.met
    assert frozenset({"quick-later"}) in world.met


def test_while_it_runs_nothing_else_is_claimed(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    put(store, "suspect", deliveries=2)
    put(store, "a", "b")
    start_worker(concurrency=4)
    until(lambda: world.inside == {"suspect"})
    assert not world.gate.wait(0.2)
    assert world.inside == {"suspect"}
    until(lambda: store.stats().enqueued == 2)
    world.gate.set()
    until(lambda: store.stats().processed == 3)


def test_many_suspects_run_one_after_the_other(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    names = [f"quick-{number}" for number in range(5)]
    put(store, *names, deliveries=2)
    worker = start_worker(concurrency=4, burst=True)
    assert worker.next_message() == "done"
    assert sorted(world.met, key=sorted) == [frozenset({name}) for name in names]


def test_a_stop_gives_back_one_that_still_waits_for_the_others(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    put(store, "first")
    worker = start_worker(concurrency=4)
    until(lambda: world.inside == {"first"})
    put(store, "quick-suspect", deliveries=2)
    until(lambda: len(worker.desk.held) == 2)

    def open_the_gate() -> None:
        until(lambda: store.stats().enqueued == 1)
        world.gate.set()

    opener = threading.Thread(target=open_the_gate)
    opener.start()
    assert worker.stop(30)
    opener.join()
    assert store.stats().enqueued == 1
    assert world.met == [frozenset({"first"})]


def test_a_worker_that_may_take_no_more_runs_the_one_that_waits_and_leaves(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    put(store, "first")
    worker = start_worker(concurrency=4)
    until(lambda: world.inside == {"first"})
    put(store, "quick-suspect", deliveries=2)
    until(lambda: len(worker.desk.held) == 2)
    worker.desk.worn.set()
    world.gate.set()
    assert worker.desk.inbox.get(timeout=10) == "done"
    assert store.stats().processed == 2
