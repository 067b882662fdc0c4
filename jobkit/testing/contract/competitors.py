"""What competes for jobs in the tests, from threads and from other processes.

Kept apart from the tests, so that a child process need not load them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from jobkit.adapter import Ack, Adapter
from jobkit.capabilities import SupportsUnique
from jobkit.payload import Payload, new_id

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

__all__ = [
    "at_once",
    "claim_and_die",
    "compete_elsewhere",
    "drain",
    "drain_elsewhere",
    "recover_elsewhere",
    "separately",
]

T = TypeVar("T")

_PATIENCE: Final = 50.0  # seconds; who has not come by then never will


def separately(opener: Callable[[], Adapter]) -> ForkServerContext | SpawnContext:
    """How processes are started that share nothing but the store with this one.

    Each is forked from a process that has loaded the adapter's code and connected to nothing; where
    there is no such thing it is started afresh. A fork of this process would share connections.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, getattr(opener, "func", opener).__module__])
    return context


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make the calls in threads that start at the same moment; what they return, in order."""
    waiting = [*calls]
    start = Barrier(len(waiting))

    def run(call: Callable[[], T]) -> T:
        start.wait(_PATIENCE)
        return call()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return [*pool.map(run, waiting)]


def drain(adapter: Adapter, worker: str, *, limit: int = 10) -> list[str]:
    """Claim and ack until `default` is empty; the ids of the jobs this worker finished."""
    adapter.beat(worker, lease=30.0, claims=[], register=True)
    done: list[str] = []
    while claims := adapter.claim(["default"], limit=limit, worker=worker):
        stale = adapter.settle([Ack(each) for each in claims])
        done += [each.payload.id for each in claims if each not in stale]
    return done


def drain_elsewhere(opener: Callable[[], Adapter], worker: str, among: int) -> list[str]:
    """`drain` in this process, once that many workers are there."""
    adapter = opener()
    _meet(adapter, worker, among)
    done = drain(adapter, worker)
    adapter.close()
    return done


def recover_elsewhere(
    opener: Callable[[], Adapter], dead: str, heir: str, beat: int, among: int
) -> list[str]:
    """Recover in this process, once that many workers are there; the ids of what it got."""
    adapter = opener()
    _meet(adapter, heir, among)
    got = adapter.recover(dead, to=heir, beat=beat)
    adapter.close()
    return [each.payload.id for each in got]


def compete_elsewhere(
    opener: Callable[[], Adapter], worker: str, names: Sequence[str], among: int
) -> list[tuple[str, str | None]]:
    """Enqueue a unique job for each name in this process; their ids, and what each lost to."""
    adapter = opener()
    if not isinstance(adapter, SupportsUnique):
        raise TypeError(f"{type(adapter).__name__} cannot hold unique jobs")
    _meet(adapter, worker, among)
    told: list[tuple[str, str | None]] = []
    for name in names:
        fields = {"class": "contract.Job", "args": [], "jid": new_id(), "queue": "default"}
        job = Payload.of(fields | {"unique": {"key": name, "until": "success"}})
        told += [(job.id, adapter.enqueue_unique([job])[0])]
    adapter.close()
    return told


def claim_and_die(opener: Callable[[], Adapter], worker: str, limit: int) -> NoReturn:
    """Claim that many jobs and end without a word, as a process that is killed."""
    adapter = opener()
    adapter.beat(worker, lease=30.0, claims=[], register=True)
    adapter.claim(["default"], limit=limit, worker=worker)
    os._exit(9)


def _meet(adapter: Adapter, worker: str, among: int) -> None:
    """The store is the meeting point: processes need no other, and start far apart."""
    adapter.beat(worker, lease=30.0, claims=[], register=True)
    give_up = time.monotonic() + _PATIENCE
    while len(adapter.maintain(limit=1).workers) < among:
        if time.monotonic() > give_up:
            raise TimeoutError(f"not all of the {among} workers came")
        time.sleep(0.01)
