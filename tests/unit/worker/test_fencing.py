"""A worker that nobody could beat for: it takes nothing, and settles only what is still its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from jobkit import Job
from jobkit.adapter import Ack, Beat, Claim, Settlement
from jobkit.errors import AdapterError
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.testing.clock import ManualClock
from jobkit.worker.board import NoBoard
from jobkit.worker.desk import Desk
from jobkit.worker.heart import Heart
from jobkit.worker.options import WorkerOptions
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import looks_anew, until

pytestmark = pytest.mark.usefixtures("unhurried")

LEASE = 0.5
ran: Counter[int] = Counter()
gate = threading.Event()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    gate.clear()
    yield
    gate.set()


class Hold(Job):
    def perform(self, number: int) -> None:
        gate.wait(30)
        ran[number] += 1


class Count(Job):
    def perform(self, number: int) -> None:
        ran[number] += 1


class Deaf(MemoryAdapter):
    """Takes no beats while it is deaf; counts the settlements it was asked for."""

    def __init__(self, *, fenced: bool = True) -> None:
        super().__init__()
        self.features = replace(self.features, fenced=fenced)
        self.deaf = False
        self.settled: Counter[type[Settlement]] = Counter()

    def beat(self, worker: str, **given: Any) -> Beat:
        if self.deaf:
            raise AdapterError("no beats today")
        return super().beat(worker, **given)

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        self.settled.update(type(each) for each in settlements)
        return super().settle(settlements)


def enqueue(adapter: MemoryAdapter, kind: type[Job], number: int) -> None:
    payload = {"class": kind._name, "args": [number], "jid": str(number), "queue": "default"}
    adapter.enqueue([Payload.of(payload)])


def test_who_could_not_beat_for_a_lease_takes_nothing_until_a_beat_comes_through(
    start_worker: StartWorker,
) -> None:
    adapter = Deaf()
    worker = start_worker(adapter, lease=LEASE)
    adapter.deaf = True
    until(lambda: worker.desk.lapsed)
    # It may be just about to claim: only a look that began later is held back.
    looks_anew(worker)
    enqueue(adapter, Count, 1)
    threading.Event().wait(0.5)
    assert not ran
    adapter.deaf = False
    until(lambda: ran == {1: 1})


def test_it_goes_on_to_settle_what_the_receipts_say_is_its_own(start_worker: StartWorker) -> None:
    adapter = Deaf()
    enqueue(adapter, Hold, 1)
    worker = start_worker(adapter, lease=LEASE)
    until(worker._pool.running)
    adapter.deaf = True
    until(lambda: worker.desk.lapsed)
    gate.set()
    until(lambda: adapter.stats().processed == 1)


def test_where_receipts_do_not_fence_nothing_is_settled_before_a_beat_has_come_through(
    start_worker: StartWorker,
) -> None:
    adapter = Deaf(fenced=False)
    enqueue(adapter, Hold, 1)
    worker = start_worker(adapter, lease=LEASE)
    until(worker._pool.running)
    adapter.deaf = True
    until(lambda: worker.desk.lapsed)
    gate.set()
    until(lambda: ran == {1: 1})
    threading.Event().wait(0.3)
    assert not adapter.settled
    adapter.deaf = False
    until(lambda: adapter.stats().processed == 1)


def test_and_never_what_others_have_taken_meanwhile(start_worker: StartWorker) -> None:
    adapter = Deaf(fenced=False)
    enqueue(adapter, Hold, 1)
    worker = start_worker(adapter, lease=LEASE)
    until(worker._pool.running)
    dead = worker.id
    adapter.deaf = True
    until(lambda: worker.desk.lapsed)
    # Before the worker may beat again: what it settles by then is its own.
    MemoryAdapter.beat(adapter, "rescuer", lease=60, claims=[], register=True)
    [claim] = adapter.recover(dead, to="rescuer")
    adapter.deaf = False
    gate.set()
    until(lambda: worker.id != dead)
    enqueue(adapter, Count, 2)
    until(lambda: adapter.stats().processed == 1)
    assert ran == {1: 1, 2: 1}
    assert adapter.settled == {Ack: 1}
    assert adapter.held("rescuer") == [claim]


def test_nor_what_a_beat_says_is_lost(start_worker: StartWorker) -> None:
    adapter = Deaf(fenced=False)
    enqueue(adapter, Hold, 1)
    worker = start_worker(adapter, lease=LEASE)
    until(worker._pool.running)
    [claim] = worker.desk.held.values()
    adapter.settle([Ack(claim)])
    until(lambda: worker.desk.lost)
    gate.set()
    until(lambda: not worker.desk.held)
    assert adapter.settled == {Ack: 1}


class Slow(MemoryAdapter):
    """A beat takes two seconds each way."""

    clock = ManualClock()

    def beat(self, worker: str, **given: Any) -> Beat:
        self.clock.advance(2)
        answer = super().beat(worker, **given)
        self.clock.advance(2)
        return answer


class Above(NoBoard):
    """The board of a worker whose supervisor beats for it."""

    sent = 0.0

    def beaten(self) -> float:
        return self.sent


def desk_of(adapter: MemoryAdapter, clock: ManualClock, board: NoBoard | None = None) -> Desk:
    options = WorkerOptions(queues=Queues(("default",)), lease=6)
    return Desk(adapter, options, clock, board=board)


def test_the_lease_counts_from_when_the_last_beat_was_sent() -> None:
    adapter = Slow()
    desk = desk_of(adapter, adapter.clock)
    sent = adapter.clock.monotonic()
    Heart(desk, lambda: None, lambda: None).register()
    assert desk.beaten == sent
    adapter.clock.advance(1.9)
    assert not desk.lapsed
    adapter.clock.advance(0.1)
    assert desk.lapsed


def test_the_supervisors_beats_count() -> None:
    clock, board = ManualClock(), Above()
    desk = desk_of(MemoryAdapter(), clock, board)

    def lapsed_at(now: float) -> bool:
        clock.advance(now - clock.monotonic())
        return desk.lapsed

    assert lapsed_at(10)
    board.sent = 5.0
    assert not lapsed_at(10)
    assert lapsed_at(11)
