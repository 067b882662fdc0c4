from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from jobkit.adapter import Ack
from jobkit.errors import AdapterError, JobTimeout
from jobkit.worker.timer import raise_in
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import turns
from tests.unit.sql.support import at_once, claim, enqueue, payload, register


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def busy_life(adapter: SqlAdapter, worker: str) -> int:
    """Every verb, over and over; the number of jobs this worker finished."""
    register(adapter, worker)
    done = 0
    for _ in range(15):
        adapter.enqueue([payload() for _ in range(3)])
        claims = claim(adapter, worker, limit=4)
        adapter.beat(worker, lease=30, claims=claims)
        adapter.stats()
        adapter.queues()
        done += len(claims) - len(adapter.settle([Ack(each) for each in claims]))
        adapter.maintain(limit=10)
    adapter.retire(worker)
    return done


@pytest.mark.usefixtures("hasty_threads")
def test_every_verb_may_be_called_from_many_threads_at_once(adapter: SqlAdapter) -> None:
    done = at_once(partial(busy_life, adapter, f"worker-{nth}") for nth in range(8))
    stats = adapter.stats()
    assert stats.processed == sum(done)
    assert stats.enqueued + stats.processed == 8 * 15 * 3
    assert stats.running == 0


def test_a_thread_waits_its_turn_and_no_longer_than_the_limit(
    adapter: SqlAdapter, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(adapter)
    monkeypatch.setattr(turns, "BUSY_TIMEOUT", 0.05)
    with adapter._store.writing():
        [text] = at_once([lambda: refused(adapter)])
    assert text == (
        f"{url.removeprefix('sqlite:///')} is busy: other threads of this process have been"
        " writing for 0.05 s"
    )
    enqueue(adapter)


def test_adapters_of_one_file_take_turns_with_each_other(
    adapter: SqlAdapter, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever name; threads that ask SQLite instead disturb the one that writes."""
    enqueue(adapter)
    monkeypatch.setattr(turns, "BUSY_TIMEOUT", 0.05)
    file = Path(url.removeprefix("sqlite:///"))
    other = file.with_name("other.db")
    other.symlink_to(file)
    with closing(SqlAdapter(f"sqlite:///{other}")) as late, adapter._store.writing():
        [text] = at_once([lambda: refused(late)])
    assert "other threads of this process have been writing" in text


def refused(adapter: SqlAdapter) -> str:
    with pytest.raises(AdapterError) as caught:
        enqueue(adapter)
    return str(caught.value)


@pytest.fixture
def no_foreign_callbacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What strikes in there tells nothing of a store.

    Hypothesis watches the garbage collector, and pytest what is raised in destructors.
    """
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    known = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = known


@pytest.mark.usefixtures("no_foreign_callbacks")
def test_a_time_limit_that_strikes_at_any_moment_leaves_no_lock_behind(url: str) -> None:
    """Jobs enqueue jobs, and their time limit is an exception that may rise anywhere."""
    with closing(SqlAdapter(url)) as adapter:
        enqueue(adapter)
        for nth in range(60):
            strike(partial(enqueue_for_ever, adapter), after=0.0003 * nth % 0.005)
        stored = adapter.stats().enqueued
        enqueue(adapter)
        assert adapter.stats().enqueued == stored + 1


def enqueue_for_ever(adapter: SqlAdapter) -> None:
    while True:
        enqueue(adapter)


def test_a_time_limit_that_strikes_while_it_waits_its_turn_leaves_no_lock_behind(
    adapter: SqlAdapter,
) -> None:
    """The bug: the turn came, the exception rose before anybody noted that it was taken."""
    enqueue(adapter)
    for _ in range(10):
        with adapter._store.writing():
            begun = threading.Event()
            thread = threading.Thread(target=suppressed(partial(enqueue, adapter), begun))
            thread.start()
            begun.wait()
            thread.join(0.01)
            raise_in(thread.ident or 0, JobTimeout)
        thread.join()
        at_once([partial(enqueue, adapter)])


def suppressed(act: Callable[[], object], begun: threading.Event) -> Callable[[], None]:
    def run() -> None:
        with suppress(JobTimeout):
            begun.set()
            act()

    return run


def strike(act: Callable[[], object], *, after: float) -> None:
    """Run it in a thread and raise JobTimeout there, as a worker does."""

    begun = threading.Event()
    thread = threading.Thread(target=suppressed(act, begun))
    thread.start()
    begun.wait()
    thread.join(after)
    # Again until it hits: one that rises in a destructor is printed and forgotten.
    while thread.is_alive():
        raise_in(thread.ident or 0, JobTimeout)
        thread.join(0.2)
