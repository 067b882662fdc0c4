"""A worker inside a program: `jobkit.run_worker`."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

import jobkit
from jobkit import Interrupted, Job, Unsupported
from jobkit.adapter import Claim, State
from jobkit.errors import AdapterError, ConfigurationError
from jobkit_inline import FakeAdapter, InlineAdapter, MemoryAdapter, use_adapter
from tests.unit.worker.helpers import looks_anew, until

ran: list[int] = []
others: set[threading.Thread] = set()
gate = threading.Event()
begun = threading.Event()


@pytest.fixture(autouse=True)
def fresh(store: MemoryAdapter) -> Iterator[None]:
    ran.clear()
    gate.clear()
    begun.clear()
    others.clear()
    others.update(threading.enumerate())  # what other tests left to itself
    yield
    gate.set()


class Note(Job):
    def perform(self, number: int) -> None:
        ran.append(number)


class Hold(Job):
    def perform(self, number: int) -> None:
        begun.set()
        gate.wait(30)
        ran.append(number)


def own_threads() -> list[str]:
    mine = set(threading.enumerate()) - others
    return [each.name for each in mine if each.name.startswith("jobkit")]


def test_inside_the_block_jobs_run_and_behind_it_nothing_is_left(store: MemoryAdapter) -> None:
    with jobkit.run_worker(concurrency=2) as worker:
        Note.perform_later(1)
        until(lambda: ran == [1])
        assert [each.id for each in jobkit.inspect().workers()] == [worker.id]
    assert (store.stats().processed, store.stats().workers) == (1, 0)
    assert (worker.running, worker.id, own_threads()) == (False, None, [])


def test_with_asyncio_the_loop_turns_while_it_starts_and_stops() -> None:
    async def program() -> list[str]:
        turned = asyncio.Event()
        asyncio.get_running_loop().call_soon(turned.set)
        async with jobkit.run_worker(concurrency=1):
            assert turned.is_set(), "the start held the loop up"
            await Hold.aperform_later(1)
            await asyncio.to_thread(begun.wait, 30)
            asyncio.get_running_loop().call_later(0.05, gate.set)  # while the block ends
        return own_threads()

    assert asyncio.run(program()) == []
    assert ran == [1]


def test_coroutines_run_on_a_loop_of_the_workers_own() -> None:
    loops: list[object] = []

    class Look(Job):
        async def perform(self) -> None:
            loops.append(asyncio.get_running_loop())

    async def program() -> None:
        async with jobkit.run_worker():
            await Look.aperform_later()
            await asyncio.to_thread(until, lambda: loops)
            assert loops != [asyncio.get_running_loop()]

    asyncio.run(program())


def test_a_second_start_of_the_same_worker_is_refused_and_harms_nothing() -> None:
    with jobkit.run_worker() as worker:
        with pytest.raises(RuntimeError, match="runs already"):
            worker.start()
        Note.perform_later(1)
        until(lambda: ran == [1])


def test_it_can_be_started_again_and_again_and_leaves_no_thread() -> None:
    worker = jobkit.run_worker(concurrency=2)
    for number in range(5):
        with worker:
            Note.perform_later(number)
            until(lambda: len(ran) == number + 1)  # noqa: B023 - called here and now
    assert own_threads() == []
    assert worker.stop() is True, "to stop what is stopped is no error"


def test_two_workers_may_run_side_by_side() -> None:
    with jobkit.run_worker(queues=["a"]), jobkit.run_worker(queues=["b"]):
        Note.set(queue="a").perform_later(1)
        Note.set(queue="b").perform_later(2)
        until(lambda: sorted(ran) == [1, 2])


def test_what_has_not_ended_in_time_is_given_back_and_its_end_changes_nothing(
    store: MemoryAdapter,
) -> None:
    worker = jobkit.run_worker(concurrency=1).start()
    Hold.perform_bulk([(1,), (2,)])
    assert begun.wait(30)
    assert worker.stop(timeout=0) is False
    waiting = store.jobs(State.ENQUEUED).items
    assert [(job.payload.args, job.payload.executions) for job in waiting] == [([1], 0), ([2], 0)]
    gate.set()
    until(lambda: own_threads() == [])
    assert (store.stats().processed, store.stats().enqueued) == (0, 2)


def test_what_was_given_back_is_interrupted_and_only_then(store: MemoryAdapter) -> None:
    ended: list[object] = []

    class Stubborn(Job):
        def perform(self) -> None:
            try:
                begun.set()
                while True:
                    time.sleep(0.005)
            except BaseException as error:
                ended.append((type(error), store.stats().enqueued))
                raise

    class Asleep(Job):
        async def perform(self) -> None:
            try:
                begun.set()
                await asyncio.sleep(60)
            except BaseException as error:
                ended.append((type(error), store.stats().enqueued))
                raise

    for job in (Stubborn, Asleep):
        begun.clear()
        worker = jobkit.run_worker(concurrency=1).start()
        job.perform_later()
        assert begun.wait(30)
        assert worker.stop(timeout=0) is False
        until(lambda: own_threads() == [])
        jobkit.inspect().clear("default")
    assert ended == [(Interrupted, 1), (asyncio.CancelledError, 1)]
    assert store.stats().failed == 0


def test_running_jobs_get_the_shutdown_timeout() -> None:
    with jobkit.run_worker(shutdown_timeout=30):
        Hold.perform_later(1)
        assert begun.wait(30)
        threading.Timer(0.1, gate.set).start()
    assert ran == [1]


def test_a_quiet_worker_takes_nothing_more() -> None:
    with jobkit.run_worker(lease=0.6) as worker:
        worker.quiet()
        assert worker._life is not None
        assert worker._life._worker is not None
        looks_anew(worker._life._worker)
        Note.perform_later(1)
        until(lambda: jobkit.inspect().workers()[0].quiet)
        assert ran == []


def test_a_burst_ends_by_itself(store: MemoryAdapter) -> None:
    Note.perform_bulk((number,) for number in range(50))
    with jobkit.run_worker(burst=True):
        pass
    assert sorted(ran) == list(range(50))
    worker = jobkit.run_worker(burst=True).start()
    assert worker.wait(40)
    assert not worker.running


@pytest.mark.behaviour("L4")
def test_an_embedded_worker_refuses_to_be_stopped_from_afar(
    store: MemoryAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    with jobkit.run_worker(lease=0.6) as worker:
        assert worker.id is not None
        with pytest.raises(Unsupported, match="only the program it runs in"):
            jobkit.inspect().stop(worker.id)
        store.order(worker.id, "stop")  # whoever does not ask first
        until(lambda: "only its program can stop it" in caplog.text)
        Note.perform_later(1)
        until(lambda: ran == [1])
        assert jobkit.inspect().quiet(worker.id)
        until(lambda: jobkit.inspect().workers()[0].quiet)


class Away(MemoryAdapter):
    """A store that is away for the first tries."""

    def __init__(self, tries: int) -> None:
        super().__init__()
        self.left = tries

    def beat(self, worker: str, **how: object) -> object:  # type: ignore[override]
        if self.left > 0:
            self.left -= 1
            raise AdapterError("nobody there")
        return super().beat(worker, **how)  # type: ignore[arg-type]


def test_a_store_that_is_away_does_not_keep_the_program_from_starting() -> None:
    with use_adapter(Away(3)), jobkit.run_worker():
        Note.perform_later(1)
        until(lambda: ran == [1])


def test_with_a_boot_timeout_the_start_fails_when_it_is_over() -> None:
    with (
        use_adapter(Away(99)),
        pytest.raises(AdapterError, match="boot time-out"),
        jobkit.run_worker(boot_timeout=0.2),
    ):
        pytest.fail("it began")
    until(lambda: own_threads() == [])


def test_a_worker_that_waits_for_its_store_can_be_stopped() -> None:
    with use_adapter(Away(99)):
        worker = jobkit.run_worker().start()
        assert worker.running
        assert worker.stop() is True
    assert own_threads() == []


class Brittle(MemoryAdapter):
    """A store whose first claim fails as none may."""

    broken = True

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        if self.broken:
            self.broken = False
            gate.wait(30)
            raise ZeroDivisionError
        return super().claim(queues, limit=limit, worker=worker)


def test_a_worker_whose_part_broke_is_followed_by_a_new_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with use_adapter(Brittle()), jobkit.run_worker() as worker:
        first = worker.id
        gate.set()
        Note.perform_later(1)
        until(lambda: ran == [1])
        assert worker.id != first
    assert "the claimer broke" in caplog.text


@pytest.mark.parametrize("adapter", [FakeAdapter(), InlineAdapter()])
def test_an_adapter_without_workers_says_so(adapter: FakeAdapter | InlineAdapter) -> None:
    with (
        use_adapter(adapter),
        pytest.raises(Unsupported, match="does not support workers"),
        jobkit.run_worker(),
    ):
        pytest.fail("it began")


def test_a_wrong_option_names_the_call() -> None:
    with pytest.raises(ConfigurationError, match=r"run_worker\(concurrency=…\): .* 1 or more"):
        jobkit.run_worker(concurrency=0).start()


def test_in_a_forks_child_the_worker_is_not_there() -> None:
    with jobkit.run_worker() as worker:
        child = os.fork()
        if child == 0:
            os._exit(worker.running or not worker.stop() or worker.id is not None)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert worker.running


def test_it_says_what_it_serves(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with jobkit.run_worker(queues=["a", "b"], concurrency=3):
        pass
    assert "serves a, b with 3 threads" in caplog.text
