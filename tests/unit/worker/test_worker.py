"""A real worker on a store in memory: what it takes, what it gives back, how it leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from jobkit import (
    BuryJob,
    Interrupted,
    Job,
    Middleware,
    current_job,
    discard_on,
    events,
    job,
    middleware,
    on_exhausted,
    retry_on,
    stopping,
)
from jobkit.adapter import Checkpoint, Claim, Settlement, State
from jobkit.errors import AdapterError
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.worker.desk import Broken
from jobkit.worker.performing import Performer
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import looks_anew, until

last: dict[str, Any] = {}
leaked: ContextVar[str] = ContextVar("leaked", default="clean")


class World:
    """What the jobs of one test share; one that outlives its test does not touch the next."""

    def __init__(self) -> None:
        self.ran: Counter[int] = Counter()
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)


world = World()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    global world  # noqa: PLW0603 - jobs are classes, and find it here
    world = World()
    last.clear()
    yield
    world.gate.set()


class Count(Job):
    def perform(self, number: int) -> None:
        world.ran[number] += 1


class Hold(Job):
    """Says that it began, then waits until the test lets it go."""

    def perform(self, number: int) -> None:
        here = world
        here.begun.release()
        here.gate.wait(30)
        here.ran[number] += 1


def finish(worker: Any) -> None:
    assert worker.next_message() == "done"


def test_a_burst_runs_every_job_exactly_once_and_says_it_is_done(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Count.perform_bulk((number,) for number in range(2_000))
    finish(start_worker(burst=True))
    assert world.ran == Counter(range(2_000))
    assert store.stats().processed == 2_000


def test_a_burst_runs_what_its_own_jobs_enqueue_but_not_later_retries(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    class Parent(Job):
        def perform(self) -> None:
            Count.perform_later(1)
            raise ValueError("retried later")

    Parent.perform_later()
    finish(start_worker(burst=True))
    assert world.ran == {1: 1}
    assert store.stats().retry == 1


def test_a_burst_promotes_what_is_due_before_it_begins(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    soon = Count.perform_in(0.05, 1)
    assert soon.scheduled_at is not None
    threading.Event().wait(0.06)
    finish(start_worker(burst=True))
    assert world.ran == {1: 1}


@pytest.mark.behaviour("E2")
def test_never_more_jobs_run_at_once_than_there_are_threads(start_worker: StartWorker) -> None:
    Hold.perform_bulk((number,) for number in range(20))
    worker = start_worker(concurrency=3)
    for _ in range(3):
        assert world.begun.acquire(timeout=30)
    assert not world.begun.acquire(timeout=0.1)
    assert len(worker._pool.running()) == 3
    world.gate.set()
    until(lambda: sum(world.ran.values()) == 20)


def test_long_jobs_are_not_hoarded(store: MemoryAdapter, start_worker: StartWorker) -> None:
    Hold.perform_bulk((number,) for number in range(20))
    start_worker(concurrency=3)
    for _ in range(3):
        assert world.begun.acquire(timeout=30)
    # One more may be claimed while a thread takes the third, and goes back.
    until(lambda: store.stats().running == 3)
    assert store.stats().enqueued == 17


def test_what_was_prefetched_is_given_back_when_the_threads_get_stuck(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    worker = start_worker(concurrency=2)
    worker._pace.observe(1, 0.0001)  # as after many tiny jobs
    Hold.perform_bulk((number,) for number in range(50))
    for _ in range(2):
        assert world.begun.acquire(timeout=30)
    until(lambda: store.stats().enqueued == 48)
    world.gate.set()
    until(lambda: sum(world.ran.values()) == 50)
    assert set(world.ran.values()) == {1}


def test_no_job_waits_behind_a_long_one_while_a_thread_of_any_worker_rests(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    busy = start_worker(concurrency=2)
    busy._pace.observe(1, 0.0001)  # as after many tiny jobs: it takes all there are
    Hold.perform_later(1)
    Count.perform_bulk((number,) for number in range(10, 20))
    until(lambda: sum(world.ran.values()) == 10)  # by its other thread
    busy._pace.observe(1, 0.0001)
    Hold.perform_bulk((number,) for number in range(2, 4))
    Count.perform_bulk((number,) for number in range(20, 30))
    for _ in range(2):
        assert world.begun.acquire(timeout=30)
    start_worker(concurrency=2)
    until(lambda: sum(world.ran.values()) == 20)  # though none of the long ones has ended
    assert not world.gate.is_set()


@pytest.mark.behaviour("E1")
def test_a_strict_order_drains_the_first_queue_first(start_worker: StartWorker) -> None:
    order: list[str] = []

    class Note(Job):
        def perform(self, name: str) -> None:
            order.append(name)

    for name in ("low", "high") * 10:
        Note.set(queue=name).perform_later(name)
    finish(start_worker(queues=Queues(("high", "low")), concurrency=1, burst=True))
    assert order == ["high"] * 10 + ["low"] * 10


def test_only_the_queues_that_are_served_are_taken_from(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Count.set(queue="other").perform_later(1)
    Count.perform_later(2)
    finish(start_worker(burst=True))
    assert world.ran == {2: 1}
    assert store.stats().enqueued == 1


def test_a_paused_queue_is_left_alone_and_a_burst_ends_all_the_same(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Count.perform_later(1)
    store.pause("default")
    finish(start_worker(burst=True))
    assert not world.ran
    assert store.stats().enqueued == 1


def test_an_idle_worker_picks_up_a_job_that_is_enqueued_later(start_worker: StartWorker) -> None:
    start_worker()
    Count.perform_later(7)
    until(lambda: world.ran == {7: 1})


def test_a_scheduled_job_runs_when_it_falls_due(start_worker: StartWorker) -> None:
    start_worker()
    Count.perform_in(0.1, 7)
    until(lambda: world.ran == {7: 1})


def test_coroutines_run_side_by_side_on_one_loop(start_worker: StartWorker) -> None:
    inside: set[int] = set()
    all_inside = asyncio.Event()

    @job
    async def together(number: int) -> None:
        inside.add(number)
        if len(inside) == 4:
            all_inside.set()
        await asyncio.wait_for(all_inside.wait(), 10)
        last[str(number)] = current_job()

    together.perform_bulk((number,) for number in range(4))
    finish(start_worker(concurrency=4, burst=True))
    assert {running.args[0] for running in last.values()} == {0, 1, 2, 3}


def test_a_context_variable_set_by_one_job_is_not_seen_by_the_next(
    start_worker: StartWorker,
) -> None:
    seen: list[str] = []

    class Leaky(Job):
        def perform(self) -> None:
            seen.append(leaked.get())
            leaked.set("dirty")

    Leaky.perform_bulk(() for _ in range(5))
    finish(start_worker(concurrency=1, burst=True))
    assert seen == ["clean"] * 5


class Uncommon(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.behaviour("E2")
@pytest.mark.parametrize(
    "error",
    [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError, MemoryError, Uncommon],
)
def test_07_an_error_that_is_no_exception_fails_the_job_and_not_the_worker(
    store: MemoryAdapter, start_worker: StartWorker, error: type[BaseException]
) -> None:
    class Bad(Job, retry=0):
        def perform(self) -> None:
            raise error("out")

    others = set(threading.enumerate())  # of earlier tests, which may end meanwhile
    worker = start_worker(concurrency=1)
    threads = set(threading.enumerate()) - others
    Bad.perform_later()
    Count.perform_later(1)
    until(lambda: store.stats().processed == 2)
    assert world.ran == {1: 1}
    [dead] = store.jobs(State.DEAD).items
    assert dead.payload.fields["error_class"].endswith(error.__name__)
    assert set(threading.enumerate()) - others == threads
    until(lambda: not worker.desk.held)


@pytest.mark.behaviour("B5", "E12")
def test_an_unknown_class_is_retried_by_the_default_policy_and_frees_its_thread(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    fields = {"class": "nowhere.Job", "args": [1], "jid": "1", "queue": "default", "retry": True}
    store.enqueue([Payload.of(fields)])
    Count.perform_later(1)
    finish(start_worker(concurrency=1, burst=True))
    assert world.ran == {1: 1}
    [waiting] = store.jobs(State.RETRY).items
    assert waiting.payload.fields["error_class"] == "jobkit.errors.UnknownJob"
    assert waiting.payload.args == [1]


def test_a_class_that_cannot_be_made_is_buried_with_its_error(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    class Unmakeable(Job):
        def perform(self) -> None: ...

    Unmakeable.perform_later()

    def broken(self: Job) -> None:
        raise OSError("no such device")

    Unmakeable.__init__ = broken  # type: ignore[method-assign,assignment]
    Count.perform_later(1)
    finish(start_worker(concurrency=1, burst=True))
    [dead] = store.jobs(State.DEAD).items
    assert dead.payload.fields["error_message"] == "no such device"
    assert world.ran == {1: 1}


@pytest.mark.behaviour("C20")
def test_a_payload_that_is_no_job_is_buried_as_it_is(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    odd = '{"class": "A", "args": [1,}'
    Count.perform_later(1)
    store.beat("writer", lease=60, claims=[], register=True)
    [claim] = store.claim(["default"], limit=1, worker="writer")
    store.settle([Checkpoint(claim, Payload(odd))])
    store.retire("writer")
    Count.perform_later(2)
    finish(start_worker(concurrency=1, burst=True))
    [dead] = store.jobs(State.DEAD).items
    assert dead.payload.text == odd
    assert world.ran == {2: 1}


def test_a_job_that_cost_three_workers_is_buried_without_being_run(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    told: list[str] = []

    class Pill(Job):
        def perform(self) -> None:
            world.ran[0] += 1

        @on_exhausted
        def tell(self, error: BaseException) -> None:
            told.append(str(error))

    deaths: list[BaseException] = []
    middleware.on_death(lambda _, error: deaths.append(error))
    fields = {
        "class": Pill._name,
        "args": [],
        "jid": "1",
        "queue": "default",
        "deliveries": 3,
        "error_message": "killed by signal 11",
    }
    store.enqueue([Payload.of(fields)])
    finish(start_worker(burst=True))
    assert not world.ran
    [dead] = store.jobs(State.DEAD).items
    assert dead.payload.fields["error_class"] == "jobkit.errors.WorkerLost"
    assert "killed by signal 11" in dead.payload.fields["error_message"]
    assert len(deaths) == 1
    assert len(told) == 1


def test_rules_and_control_errors_reach_the_store(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    @retry_on(ConnectionError, wait=0, attempts=3)
    @discard_on(LookupError)
    class Moody(Job):
        def perform(self, what: str) -> None:
            world.ran[0] += 1
            if what == "retry":
                raise ConnectionError("again")
            if what == "discard":
                raise KeyError("gone")
            if what == "bury":
                raise BuryJob("enough")

    for what in ("retry", "discard", "bury", "fine"):
        Moody.perform_later(what)
    finish(start_worker(burst=True))
    stats = store.stats()
    assert (world.ran[0], stats.processed, stats.failed, stats.dead) == (6, 6, 4, 2)


def test_stopping_lets_running_jobs_end_and_settles_them(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Hold.perform_bulk((number,) for number in range(2))
    worker = start_worker(concurrency=2)
    for _ in range(2):
        assert world.begun.acquire(timeout=30)
    threading.Timer(0.05, world.gate.set).start()
    assert worker.stop(30)
    assert world.ran == {0: 1, 1: 1}
    assert store.stats() == type(store.stats())(processed=2)


@pytest.mark.behaviour("C18", "E9")
def test_what_does_not_end_in_time_is_given_back_to_the_head_uncharged(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    first = Hold.perform_later(1)
    worker = start_worker(concurrency=1)
    assert world.begun.acquire(timeout=30)
    Count.perform_later(2)
    assert not worker.stop(0.05)
    [head, _] = store.jobs(State.ENQUEUED).items
    assert head.payload.id == first.id
    assert head.payload.executions == 0
    assert store.stats().workers == 0
    world.gate.set()


@pytest.mark.behaviour("C18")
def test_a_job_that_asks_is_told_of_the_stop_and_may_interrupt_itself(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    class Polite(Job):
        def perform(self) -> None:
            world.begun.release()
            while not (self.stopping and stopping()):
                threading.Event().wait(0.002)
            raise Interrupted

    Polite.perform_later()
    worker = start_worker()
    assert world.begun.acquire(timeout=30)
    assert worker.stop(30)
    [back] = store.jobs(State.ENQUEUED).items
    assert back.payload.executions == 0
    assert store.stats().processed == 0


@pytest.mark.behaviour("E8")
def test_a_quiet_worker_takes_no_more_but_finishes_what_runs(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Hold.perform_later(1)
    worker = start_worker(concurrency=2)
    assert world.begun.acquire(timeout=30)
    worker.quiet()
    looks_anew(worker)
    Count.perform_later(2)
    world.gate.set()
    until(lambda: store.stats().processed == 1)
    assert world.ran == {1: 1}
    assert store.stats().enqueued == 1


@pytest.mark.behaviour("E8")
def test_an_order_from_outside_reaches_the_worker_with_a_beat(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    worker = start_worker(lease=0.6)
    assert store.order(worker.id, "stop")
    assert worker.next_message() == "stop"


def test_a_worker_is_listed_while_it_lives_and_gone_when_it_left(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    worker = start_worker(concurrency=3)
    [info] = store.workers()
    assert (info.id, info.concurrency, info.queues) == (worker.id, 3, ("default",))
    worker.stop(30)
    assert store.workers() == []


def test_a_worker_that_was_declared_dead_drops_its_work_and_starts_anew(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Hold.perform_later(1)
    worker = start_worker(concurrency=1, lease=0.6)
    assert world.begun.acquire(timeout=30)
    dead = worker.id
    store.beat("rescuer", lease=60, claims=[], register=True)
    [claim] = store.recover(dead, to="rescuer")
    until(lambda: worker.id != dead)
    world.gate.set()
    until(lambda: world.ran == {1: 1})
    Count.perform_later(2)
    until(lambda: world.ran[2] == 1)
    until(lambda: store.stats().processed == 1)
    assert store.held("rescuer") == [claim]


def test_jobs_of_a_worker_that_stood_still_are_run_again_by_another(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Count.perform_later(1)
    store.beat("gone", lease=0.2, claims=[], register=True)
    assert len(store.claim(["default"], limit=5, worker="gone")) == 1
    start_worker()
    until(lambda: world.ran == {1: 1})
    assert "gone" not in store.maintain(limit=1).workers


def test_a_worker_leaves_after_the_number_of_jobs_it_was_given(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Count.perform_bulk((number,) for number in range(100))
    worker = start_worker(max_jobs=30)
    finish(worker)
    worker.stop(30)
    assert sum(world.ran.values()) == 30
    assert store.stats().enqueued == 70


def test_what_was_given_back_unstarted_is_not_among_them(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    worker = start_worker(max_jobs=3, concurrency=1)
    worker._pace.observe(1, 0.0001)  # as after many tiny jobs: it takes all there are
    store.pause("default")
    Hold.perform_later(1)
    Count.perform_bulk((number,) for number in range(2, 5))
    store.resume("default")
    assert world.begun.acquire(timeout=30)
    # Two of them; all three where the thread was late, and then the fourth may be among the next.
    until(lambda: worker._claimer.claimed < 3)
    until(lambda: worker._claimer.claimed + store.stats().enqueued == 4)
    world.gate.set()
    finish(worker)
    assert sum(world.ran.values()) == 3


class Failing(MemoryAdapter):
    """A store that fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.claims_to_fail = self.settles_to_fail = self.beats_to_fail = 0

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        if self.claims_to_fail:
            self.claims_to_fail -= 1
            raise AdapterError("away")
        return super().claim(queues, limit=limit, worker=worker)

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        if self.settles_to_fail:
            self.settles_to_fail -= 1
            raise AdapterError("away")
        return super().settle(settlements)

    def beat(self, *args: Any, **kwargs: Any) -> Any:
        if self.beats_to_fail:
            self.beats_to_fail -= 1
            raise AdapterError("away")
        return super().beat(*args, **kwargs)


def test_a_store_that_is_away_for_a_while_costs_no_job(start_worker: StartWorker) -> None:
    adapter = Failing()
    adapter.beats_to_fail, adapter.claims_to_fail, adapter.settles_to_fail = 1, 2, 2
    adapter.enqueue(
        [
            Payload.of({"class": Count._name, "args": [number], "jid": str(number), "queue": "q"})
            for number in range(50)
        ]
    )
    finish(start_worker(adapter, queues=Queues(("q",)), burst=True))
    assert world.ran == Counter(range(50))
    assert adapter.stats().processed == 50


class Picky(MemoryAdapter):
    """Fails to settle jobs with these arguments, and whatever comes with them."""

    def __init__(self, *refused: int) -> None:
        super().__init__()
        self.refused: list[list[str]] = []
        self.on_refusal: Callable[[], object] = lambda: None
        self._picked = [[number] for number in refused]

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        if any(each.claim.payload.args in self._picked for each in settlements):
            self.refused.append([each.claim.payload.id for each in settlements])
            self.on_refusal()
            raise AdapterError("not this one")
        return super().settle(settlements)


def numbered(number: int) -> Payload:
    return Payload.of(
        {"class": Count._name, "args": [number], "jid": str(number), "queue": "default"}
    )


def test_one_settlement_that_the_store_refuses_does_not_hold_up_the_others(
    start_worker: StartWorker,
) -> None:
    adapter = Picky(13)
    adapter.enqueue([numbered(n) for n in range(20)])
    start_worker(adapter, concurrency=20)
    until(lambda: adapter.stats().processed == 19)


def test_nor_does_it_hold_up_what_ends_later(start_worker: StartWorker) -> None:
    """The bug: alone in its batch, it was tried again and again, and nothing else was."""
    adapter, refused = Picky(0), threading.Event()
    adapter.on_refusal = refused.set

    class Late(Job):
        def perform(self) -> None:
            refused.wait()

    late = {"class": Late._name, "args": [], "jid": "late", "queue": "default"}
    adapter.enqueue([numbered(0), Payload.of(late)])
    start_worker(adapter, concurrency=2)
    until(lambda: adapter.stats().processed == 1)
    assert refused.is_set()


def test_a_store_that_is_away_is_not_asked_at_once_for_each_outcome(
    start_worker: StartWorker,
) -> None:
    refused: list[tuple[int, float]] = []
    adapter = Picky(*range(20))
    adapter.on_refusal = lambda: refused.append((len(adapter.refused[-1]), time.monotonic()))
    adapter.enqueue([numbered(n) for n in range(20)])
    start_worker(adapter, concurrency=20)
    until(lambda: [number for number, _ in refused].count(1) > 2)
    by_one = [at for number, at in refused if number == 1]
    assert by_one[2] - by_one[1] > 0.1, "after two failures in a row it waits"


def test_a_part_that_breaks_is_told_to_the_main_thread(start_worker: StartWorker) -> None:
    class Buggy(MemoryAdapter):
        def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
            raise ZeroDivisionError

    message = start_worker(Buggy()).next_message()
    assert isinstance(message, Broken)
    assert message.part == "claimer"


def test_a_thread_of_the_pool_that_breaks_is_told_to_the_main_thread(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job can do this: it would be a fault of the worker's own, and its job stay undone."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Performer, "perform", broken)
    Count.perform_later(1)
    message = start_worker().next_message()
    assert isinstance(message, Broken)
    assert message.part == "pool"


def test_middleware_hears_of_the_workers_life_and_a_hook_that_raises_harms_nobody(
    start_worker: StartWorker,
) -> None:
    heard: list[str] = []

    class Life(Middleware):
        def startup(self, worker: Any) -> None:
            heard.append("startup")
            raise ValueError("ignored")

        def quiet(self, worker: Any) -> None:
            heard.append("quiet")

        def shutdown(self, worker: Any) -> None:
            heard.append("shutdown")

    middleware.add(Life())
    Count.perform_later(1)
    worker = start_worker(burst=True)
    finish(worker)
    worker.stop(30)
    assert heard == ["startup", "quiet", "shutdown"]
    assert world.ran == {1: 1}


def test_subscribers_hear_of_every_run(start_worker: StartWorker) -> None:
    heard: list[str] = []

    def listen(event: events.Event) -> None:
        heard.append(event.name)

    events.subscribe(listen)
    try:
        Count.perform_later(1)
        worker = start_worker(burst=True)
        finish(worker)
        worker.stop(30)
    finally:
        events.unsubscribe(listen)
    assert heard == [
        "enqueue",
        "worker_start",
        "perform_start",
        "perform",
        "worker_quiet",
        "worker_stop",
    ]


@pytest.mark.behaviour("E11")
def test_starting_and_stopping_many_times_leaves_no_thread_behind(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    before = set(threading.enumerate())  # of earlier tests, which may end meanwhile
    for number in range(20):
        Count.perform_later(number)
        worker = start_worker(burst=True)
        finish(worker)
        assert worker.stop(30)
    assert set(threading.enumerate()) <= before
    assert world.ran == Counter(range(20))
