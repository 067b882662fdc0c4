"""One thread does all jobs while they are tiny and wait for nothing, and else all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from time import sleep
from typing import Any

import pytest

from jobkit import Job, backends
from jobkit.adapter import Claim
from jobkit.testing import ManualClock
from jobkit.worker import Worker
from jobkit.worker.pace import Pace
from jobkit.worker.sizing import LOOK, Sizing
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

ALL = 10


@dataclass
class Hands:
    """What a sizing sees of a pool, and asks of it."""

    done: int = 0
    left: int = 100
    called: list[int] = field(default_factory=list)
    long: list[Claim] = field(default_factory=list)
    relieved: list[Collection[str] | None] = field(default_factory=list)

    def running(self) -> list[Claim]:
        return self.long

    def taken(self) -> int:
        return self.done

    def waiting(self) -> int:
        return self.left

    def relieve(self, receipts: Collection[str] | None = None) -> bool:
        self.relieved.append(receipts)
        return False

    def call(self, threads: int) -> None:
        self.called.append(threads)


class Day:
    """A sizing with its pool, and jobs that take as long as the test says."""

    def __init__(self, *, quick: bool = False) -> None:
        self.hands, self.pace, self.clock = Hands(), Pace(ALL), ManualClock()
        self.cpu = 0.0
        pool: Any = self.hands
        self.sizing = Sizing(pool, self.pace, self.clock, lambda: self.cpu, quick=quick)

    def passes(
        self, seconds: float, *, a_second: float, lasting: float = 1.0, busy: float = 1.0
    ) -> None:
        """So many jobs a second, which last together, as the CPU, a part of that time."""
        jobs = round(a_second * seconds)
        self.clock.advance(seconds)
        self.hands.done += jobs
        if jobs:
            self.pace.observe(jobs, lasting * seconds)
        self.cpu += busy * seconds
        self.sizing.look()

    def solo(self) -> bool:
        return self.pace.one

    def one_works(self) -> None:
        self.passes(0.2, a_second=50_000)
        assert self.solo()


def claims_of(job: type[Job], number: int) -> list[Claim]:
    """As they are claimed; they are not in the worker's store."""
    elsewhere = MemoryAdapter()
    with backends.override(elsewhere):
        for _ in range(number):
            job.perform_later()
    elsewhere.beat("another", lease=60, claims=[], register=True)
    return elsewhere.claim(["default"], limit=number, worker="another")


@pytest.fixture
def day() -> Day:
    return Day()


def test_one_thread_is_enough_for_many_tiny_jobs(day: Day) -> None:
    day.passes(0.2, a_second=5_000)
    assert (day.solo(), day.hands.called) == (True, [])


def test_all_stay_at_work_while_there_are_fewer(day: Day) -> None:
    for _ in range(20):
        day.passes(0.2, a_second=4_900)
    assert not day.solo()


def test_it_is_looked_at_more_often_while_one_is_at_work(day: Day) -> None:
    assert day.sizing.pause > LOOK
    day.one_works()
    assert day.sizing.pause == LOOK


def test_one_stays_at_work_as_long_as_that_does(day: Day) -> None:
    day.one_works()
    for _ in range(100):
        day.passes(LOOK, a_second=50_000)
    assert (day.solo(), day.hands.called) == (True, [])


def test_when_a_job_holds_up_others_all_are_called_at_the_next_look(day: Day) -> None:
    day.one_works()
    for _ in range(20):
        day.passes(LOOK, a_second=50_000)
    day.passes(LOOK, a_second=900)
    assert (day.solo(), day.hands.called) == (False, [ALL])


def test_a_moment_without_jobs_is_no_reason_to_call_anybody(day: Day) -> None:
    day.one_works()
    for _ in range(20):
        day.passes(LOOK, a_second=50_000)
    day.hands.left = 0
    day.passes(LOOK, a_second=0)
    assert (day.solo(), day.hands.called) == (True, [])


def test_when_no_more_jobs_come_the_next_are_for_all(day: Day) -> None:
    day.one_works()
    day.hands.left = 0
    for _ in range(11):
        day.passes(LOOK, a_second=0)
    assert not day.solo()


def test_one_that_does_far_less_than_all_did_is_not_left_alone(day: Day) -> None:
    day.one_works()
    day.passes(LOOK, a_second=10_000)
    day.passes(LOOK, a_second=10_000)
    day.passes(LOOK, a_second=10_000)
    assert (day.solo(), day.hands.called) == (False, [ALL])


def test_what_is_proved_may_become_less_later(day: Day) -> None:
    day.one_works()
    for _ in range(11):
        day.passes(LOOK, a_second=50_000)
    for _ in range(40):
        day.passes(LOOK, a_second=10_000)
    assert day.solo()


def test_jobs_that_are_tiny_no_more_are_for_all(day: Day) -> None:
    """They may use other cores, where one thread uses one."""
    day.one_works()
    for _ in range(11):
        day.passes(LOOK, a_second=50_000)
    for _ in range(22):
        day.passes(LOOK, a_second=4_000)
    assert (day.solo(), day.hands.called) == (False, [ALL])


def test_with_other_jobs_than_it_was_proved_with_one_thread_is_tried_anew(day: Day) -> None:
    """These may use other cores, as soon as more threads do them."""
    day.one_works()
    for _ in range(11):
        day.passes(LOOK, a_second=50_000)
    for _ in range(30):
        if day.solo():
            day.passes(LOOK, a_second=12_000)
    assert day.clock.monotonic() < 2
    assert day.hands.called == [ALL]
    day.passes(0.2, a_second=24_000)
    assert day.solo(), "at once, and measured by what all did"
    for _ in range(3):
        day.passes(LOOK, a_second=12_000)
    assert not day.solo()


def test_a_job_that_lasts_from_look_to_look_has_a_thread_beside_the_one(day: Day) -> None:
    day.one_works()
    day.hands.long = claims_of(Holds, 2)
    day.passes(LOOK, a_second=40_000)
    assert day.pace.at_work == 1, "they may have begun this moment"
    day.passes(LOOK, a_second=40_000)
    assert (day.solo(), day.pace.at_work, day.hands.called) == (True, 3, [3])
    day.hands.long = day.hands.long[1:]
    day.passes(LOOK, a_second=40_000)
    assert (day.pace.at_work, day.hands.called) == (2, [3])


def test_one_is_tried_beside_those_that_have_a_long_job(day: Day) -> None:
    day.hands.long = claims_of(Holds, 1)
    day.passes(0.2, a_second=4_000)
    day.passes(0.2, a_second=50_000)
    assert (day.solo(), day.pace.at_work) == (True, 2)


def test_there_are_never_more_at_work_than_there_are(day: Day) -> None:
    day.hands.long = claims_of(Holds, ALL)
    day.passes(0.2, a_second=4_000)
    day.passes(0.2, a_second=50_000)
    assert day.pace.at_work == ALL


def test_on_a_quick_store_another_leads_in_the_place_of_one_with_a_long_job() -> None:
    day = Day(quick=True)
    day.one_works()
    day.hands.long = claims_of(Holds, 2)
    day.passes(LOOK, a_second=40_000)
    assert not any(day.hands.relieved), "they may have begun this moment"
    day.passes(LOOK, a_second=40_000)
    assert day.hands.relieved[-1] == {claim.receipt for claim in day.hands.long}
    assert (day.solo(), day.pace.at_work, day.hands.called) == (True, 1, []), "one goes on"


def test_when_all_are_called_the_one_leads_no_more(day: Day) -> None:
    """It may be in a job, and they need somebody who claims."""
    day.one_works()
    for _ in range(20):
        day.passes(LOOK, a_second=50_000)
    day.passes(LOOK, a_second=900)
    assert day.hands.relieved[-1] is None
    assert (day.solo(), day.hands.called) == (False, [ALL])


def test_jobs_that_wait_for_something_are_for_all(day: Day) -> None:
    day.one_works()
    for _ in range(11):
        day.passes(LOOK, a_second=50_000, busy=0.6)
    assert (day.solo(), day.hands.called) == (False, [ALL])


def test_jobs_that_are_kept_from_the_cpu_a_little_are_for_one(day: Day) -> None:
    day.one_works()
    for _ in range(50):
        day.passes(LOOK, a_second=50_000, busy=0.75)
    assert day.solo()


def test_it_is_tried_again_ever_more_seldom_while_it_does_not_do(day: Day) -> None:
    tried, seconds = list[float](), 0.0
    while seconds < 300:
        alone = day.solo()
        day.passes(0.1, a_second=10_000 if alone else 50_000)
        seconds += 0.1
        if not alone and day.solo():
            tried.append(seconds)
    gaps = [round(later - earlier) for earlier, later in pairwise(tried)]
    assert gaps[:5] == [3, 6, 12, 24, 48]
    assert set(gaps[5:]) == {60}


def test_once_it_did_it_is_soon_tried_again(day: Day) -> None:
    for _ in range(3):
        while not day.solo():
            day.passes(0.2, a_second=50_000)
        for _ in range(3):
            day.passes(LOOK, a_second=10_000)
        assert not day.solo()
    while not day.solo():
        day.passes(0.2, a_second=50_000)
    for _ in range(12):
        day.passes(LOOK, a_second=50_000)
    day.passes(LOOK, a_second=0)
    assert not day.solo()
    began = day.clock.monotonic()
    while not day.solo():
        day.passes(0.2, a_second=50_000)
    assert day.clock.monotonic() - began == pytest.approx(3, abs=0.3)


def test_a_clock_that_stands_still_tells_nothing(day: Day) -> None:
    day.hands.done = 10_000
    day.sizing.look()
    assert not day.solo()


# At work.

met = threading.Barrier(4)
gate = threading.Event()
ran: list[threading.Thread] = []
at_once = threading.Lock()
collided: list[int] = []


class Tiny(Job):
    def perform(self, number: int) -> None:
        if at_once.acquire(blocking=False):
            ran.append(threading.current_thread())
            sleep(0)  # whoever else is at work begins now
            at_once.release()
        else:
            collided.append(number)


class Meets(Job):
    def perform(self) -> None:
        met.wait(30)


class Holds(Job):
    def perform(self) -> None:
        ran.append(threading.current_thread())
        gate.wait(30)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    met.reset()
    ran.clear()
    collided.clear()
    gate.clear()
    yield
    gate.set()
    met.abort()


def has_one_do_all(worker: Worker) -> None:
    """As when a look has found that jobs are tiny."""
    worker._pace.observe(100, 0.001)
    worker._pace.one = True


def attended(worker: Worker) -> None:
    """Have its owner wait for messages, as owners do."""
    threading.Thread(target=worker.next_message, daemon=True).start()


def test_one_thread_takes_the_jobs_one_after_the_other(
    store: MemoryAdapter, start_worker: StartWorker, unhurried: None
) -> None:
    worker = start_worker(concurrency=4)
    until(lambda: worker._pool.awake() == 0)
    has_one_do_all(worker)
    Tiny.perform_bulk((number,) for number in range(3_000))
    until(lambda: store.stats().processed == 3_000)
    assert collided == []
    assert len(ran) == 3_000


def test_who_is_more_than_is_needed_goes_to_rest(
    store: MemoryAdapter, start_worker: StartWorker, unhurried: None
) -> None:
    worker = start_worker(concurrency=4)
    for _ in range(4):
        Holds.perform_later()
    until(lambda: len(ran) == 4)
    worker._pace.observe(100, 0.001)
    assert worker._claimer._low() == worker._pace.low() == 750
    has_one_do_all(worker)
    assert worker._claimer._low() == 0, "what is in hand comes to its end, and so do they"
    Tiny.perform_bulk((number,) for number in range(3_000))
    gate.set()
    until(lambda: store.stats().processed == 3_004)
    until(lambda: worker._pool.awake() == 0)
    del ran[:], collided[:]
    Tiny.perform_bulk((number,) for number in range(3_000))
    until(lambda: store.stats().processed == 6_004)
    assert collided == []


def test_jobs_that_wait_for_each_other_are_soon_at_work_together(
    store: MemoryAdapter, start_worker: StartWorker, unhurried: None
) -> None:
    """Or the first would wait for those that wait behind it."""
    worker = start_worker(concurrency=4)
    until(lambda: worker._pool.awake() == 0)
    has_one_do_all(worker)
    attended(worker)
    for _ in range(4):
        Meets.perform_later()
    until(lambda: store.stats().processed == 4)
    assert not met.broken
    assert not worker._pace.one


def test_one_that_is_at_work_alone_is_ended_like_others(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    worker = start_worker(concurrency=4)
    until(lambda: worker._pool.awake() == 0)
    has_one_do_all(worker)
    Holds.perform_later()
    until(lambda: len(ran) == 1)
    for number in range(3):
        Tiny.perform_later(number)
    stopping = threading.Thread(target=lambda: worker.stop(30))
    stopping.start()
    until(worker.desk.stopping.is_set)
    gate.set()
    stopping.join(30)
    assert not stopping.is_alive()
    assert (store.stats().processed, store.stats().enqueued) == (1, 3)


def test_as_many_are_called_as_have_work_though_those_called_before_are_not_up_yet(
    start_worker: StartWorker,
) -> None:
    """Both within one turn of the interpreter, so that no thread can have come in between."""
    worker = start_worker(concurrency=4)
    until(lambda: worker._pool.awake() == 0)
    claims = claims_of(Holds, 4)
    for some in (claims[:2], claims[2:]):
        worker._pool.hand_over(some)
        worker._pool.call(4)
    until(lambda: len(ran) == 4)


def test_a_worker_in_another_program_has_all_its_threads_at_work(
    start_worker: StartWorker,
) -> None:
    """The CPU time of the process is the program's, too, and tells nothing of the jobs."""
    worker = start_worker(concurrency=4, embedded=True)
    worker._pool._handed = 10**9
    worker._sizing.look()
    assert not worker._pace.one


def test_who_has_found_nothing_looks_again_before_it_rests(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken to be at work until then, and nobody is called in its place."""
    worker = start_worker(concurrency=4)
    pool = worker._pool
    until(lambda: pool.awake() == 0)
    claims = claims_of(Holds, 2)

    def more_comes() -> None:
        if claims:
            pool.hand_over([claims.pop()])
            pool.call(1)

    monkeypatch.setattr(pool, "_rested", more_comes)
    gate.set()
    pool.hand_over([claims.pop()])
    pool.call(1)
    until(lambda: len(ran) == 2)
    assert len(set(ran)) == 1


def test_a_claim_that_is_taken_while_it_is_counted_who_is_at_work_is_not_forgotten(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a thread that was about to look: the other claim needs another thread."""
    worker = start_worker(concurrency=4)
    pool = worker._pool
    until(lambda: pool.awake() == 0)
    asked, caller = list[str](), threading.current_thread()

    def asks(what: str, count: Callable[[], int]) -> int:
        if threading.current_thread() is caller:
            asked.append(what)
            if len(asked) == 2:  # between the first answer and the second
                pool._calls.put(None)
                until(lambda: len(ran) == 1)
        return count()

    monkeypatch.setattr(pool, "waiting", partial(asks, "waiting", pool.waiting))
    monkeypatch.setattr(pool, "busy", partial(asks, "busy", pool.busy))
    pool.hand_over(claims_of(Holds, 2))
    pool.call(4)
    until(lambda: len(ran) == 2, 20)


def test_claims_that_are_given_back_were_not_taken(start_worker: StartWorker) -> None:
    worker = start_worker(concurrency=1)
    pool = worker._pool
    until(lambda: pool.awake() == 0)
    pool.hand_over(claims_of(Holds, 3))
    assert pool.taken() == 0
    assert len(pool.take_back()) == 3
    assert pool.taken() == 0


def test_no_more_are_asked_for_than_are_for_those_at_work(start_worker: StartWorker) -> None:
    """Or what is held for the others would wait too long, and be given back."""
    worker = start_worker(concurrency=4)
    worker.quiet()
    pace, claimer = worker._pace, worker._claimer
    assert claimer._room() == 4, "while nothing is known of the jobs"
    pace.observe(10, 0.01)
    assert claimer._room() == 4 + pace.prefetch()
    pace.one = True
    assert claimer._room() == 1 + pace.prefetch()
    pace.beside = 1
    assert claimer._room() == 2 + pace.prefetch()
