"""What a run made is gone when it has ended: nothing is left to the collector of garbage."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from time import sleep
from traceback import walk_tb

import pytest

from jobkit import (
    BuryJob,
    DiscardJob,
    Job,
    Middleware,
    SnoozeJob,
    after_discard,
    around_perform,
    discard_on,
    events,
    middleware,
    on_exhausted,
    rescue_from,
    retry_on,
)
from jobkit.adapter import Claim
from jobkit.clock import SYSTEM
from jobkit.events import Event
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


class Failing(Job):
    def perform(self) -> None:
        raise KeyError("gone")


@discard_on(KeyError)
class Discarding(Failing): ...


@retry_on(KeyError)
class Retrying(Failing): ...


@retry_on(KeyError, attempts=1, on_exhausted=lambda job, error: None)
class Exhausted(Failing): ...


class Burying(Failing, retry=0):
    @on_exhausted
    def think(self, error: BaseException) -> None: ...

    @after_discard
    def tell(self, error: BaseException) -> None: ...


class Dropping(Failing, retry=False): ...


class Unwell(Job):
    def perform(self) -> None:
        raise BuryJob("not now")


class Asking(Failing, retry_in=lambda executions, error: 5): ...


class Rescuing(Failing):
    @rescue_from(KeyError)
    def rescue(self, error: KeyError) -> None:
        raise LookupError("nor that") from error


class Chained(Job):
    def perform(self) -> None:
        try:
            Failing.perform(self)  # type: ignore[arg-type]
        except KeyError as error:
            raise ValueError("wrapped") from error


class FailingSurrounded(Surrounded):
    def perform(self) -> None:
        raise KeyError("gone")


class FailingTimed(Failing, timeout=60): ...


class FailingCoroutine(Job):
    async def perform(self) -> None:
        await asyncio.sleep(0)
        raise KeyError("gone")


class FailingTimedCoroutine(FailingCoroutine, timeout=60): ...


class Slow(Job, timeout=0.001):
    def perform(self) -> None:
        while True:
            sleep(0.001)


class SlowCoroutine(Job, timeout=0.001):
    async def perform(self) -> None:
        await asyncio.sleep(60)


KINDS = (Plain, Surrounded, Timed, Resulting, Telling, Enqueuing, Coroutine, Unwanted, Snoozing)
FAILED = (
    Failing,
    Discarding,
    Retrying,
    Exhausted,
    Burying,
    Dropping,
    Unwell,
    Asking,
    Rescuing,
    Chained,
    FailingSurrounded,
    FailingTimed,
    FailingCoroutine,
    FailingTimedCoroutine,
    Slow,
    SlowCoroutine,
)


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


@pytest.mark.parametrize("kind", KINDS + FAILED)
def test_a_run_leaves_no_garbage(
    store: MemoryAdapter, performer: Performer, uncollected: None, kind: type[Job]
) -> None:
    assert garbage(store, performer, kind) < 50


@pytest.mark.parametrize("kind", [Failing, Discarding, Burying, FailingTimed, FailingCoroutine])
def test_nor_does_one_that_subscribers_and_middleware_heard_of(
    store: MemoryAdapter, performer: Performer, uncollected: None, kind: type[Job]
) -> None:
    around, heard = Middleware(), Counter[str]()
    with listening(lambda event: heard.update([event.name])):
        middleware.add(around)
        try:
            assert garbage(store, performer, kind) < 50
        finally:
            middleware.remove(around)
    assert heard["perform_start"] == 60


def test_who_keeps_the_error_of_a_failure_has_its_frames_and_what_they_name(
    store: MemoryAdapter, performer: Performer
) -> None:
    errors: list[BaseException | None] = []
    with listening(lambda event: errors.append(event.error)):
        Failing.perform_later()
        store.beat("worker", lease=60, claims=[], register=True)
        performed(performer, store.claim(["default"], limit=1, worker="worker"))
    error = next(each for each in errors if each is not None)
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    assert isinstance(frames[-1].f_locals["self"], Failing)
    assert frames[-1].f_back is frames[-2]


def garbage(store: MemoryAdapter, performer: Performer, kind: type[Job]) -> int:
    """The objects that 50 runs leave to the collector; what is made once is made before."""
    kind.perform_bulk([()] * 60)
    store.beat("worker", lease=60, claims=[], register=True)
    performed(performer, store.claim(["default"], limit=10, worker="worker"))
    claims = store.claim(["default"], limit=50, worker="worker")
    assert len(claims) == 50
    gc.collect()
    performed(performer, claims)
    return gc.collect()


def performed(performer: Performer, claims: list[Claim]) -> None:
    for claim in claims:
        performer.perform(claim)


@contextmanager
def listening(subscriber: Callable[[Event], object]) -> Generator[None]:
    events.subscribe(subscriber)
    yield
    events.unsubscribe(subscriber)
