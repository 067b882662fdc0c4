"""What a run made is gone when it has ended: nothing is left to the collector of garbage."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Generator, Iterator

import pytest

from jobkit import DiscardJob, Job, SnoozeJob, around_perform, discard_on
from jobkit.adapter import Claim
from jobkit.clock import SYSTEM
from jobkit.settings import Queues
from jobkit.worker import WorkerOptions
from jobkit.worker.coroutines import EventLoop
from jobkit.worker.desk import Desk
from jobkit.worker.performing import Performer
from jobkit.worker.timer import Timer
from jobkit_inline import MemoryAdapter


class Plain(Job):
    def perform(self) -> None: ...


class Surrounded(Plain):
    @around_perform
    def within(self) -> Generator[None]:
        yield


class Timed(Plain, timeout=60): ...


class Resulting(Job, store_result=60):
    def perform(self) -> int:
        return 1


class Telling(Job):
    def perform(self) -> None:
        self.progress(1, 2, "half")


class Enqueuing(Job):
    def perform(self) -> None:
        Plain.perform_later()


class Coroutine(Job):
    async def perform(self) -> None:
        await asyncio.sleep(0)


class Unwanted(Job):
    def perform(self) -> None:
        raise DiscardJob("not wanted")


class Snoozing(Job):
    def perform(self) -> None:
        raise SnoozeJob(10)


@discard_on(KeyError)
class Dropped(Job):
    def perform(self) -> None:
        raise KeyError("gone")


KINDS = (Plain, Surrounded, Timed, Resulting, Telling, Enqueuing, Coroutine, Unwanted, Snoozing)


@pytest.fixture
def performer(store: MemoryAdapter) -> Iterator[Performer]:
    loop = EventLoop()
    timer = Timer(
        Desk(store, WorkerOptions(queues=Queues(("default",))), SYSTEM), lambda alarm: None
    )
    yield Performer(store, SYSTEM, loop.run, timer)
    timer.end(40)
    loop.stop()


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", [*KINDS, Dropped])
def test_a_run_leaves_no_garbage(
    store: MemoryAdapter, performer: Performer, uncollected: None, kind: type[Job]
) -> None:
    kind.perform_bulk([()] * 60)
    store.beat("worker", lease=60, claims=[], register=True)
    performed(performer, store.claim(["default"], limit=10, worker="worker"))  # makes what stays
    claims = store.claim(["default"], limit=50, worker="worker")
    gc.collect()
    performed(performer, claims)
    assert gc.collect() < len(claims)


def performed(performer: Performer, claims: list[Claim]) -> None:
    for claim in claims:
        performer.perform(claim)
