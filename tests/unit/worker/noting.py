"""A store that notes which threads ask it for what, and jobs that note which thread runs them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from jobkit import Job, backends
from jobkit.adapter import Claim, Settlement
from jobkit.errors import AdapterError
from jobkit.worker import Worker
from jobkit_inline import MemoryAdapter

gate = threading.Event()
let_go = threading.Event()
ran: list[tuple[int, threading.Thread]] = []


class Noting(MemoryAdapter):
    """Notes which threads ask it for what."""

    features = replace(MemoryAdapter.features, quick=True)

    def __init__(self) -> None:
        super().__init__()
        self.claiming: set[threading.Thread] = set()
        self.settling: Counter[threading.Thread] = Counter()
        self.trips = 0
        self.away = False

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        found = super().claim(queues, limit=limit, worker=worker)
        if found:
            self.claiming.add(threading.current_thread())
        return found

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        self.trips += 1
        if self.away:
            raise AdapterError("away")
        self.settling[threading.current_thread()] += len(settlements)
        return super().settle(settlements)

    def add(self, job: type[Job], *numbers: int) -> None:
        with backends.override(self):
            job.perform_bulk((number,) for number in numbers)


class Tiny(Job):
    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))


class Hold(Job):
    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))
        gate.wait(30)


class Apart(Job):
    """Holds until it is let go by itself."""

    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))
        let_go.wait(30)


class Deaf(Job, timeout=0.2, retry=0):
    """Does not hear that its time is over."""

    def perform(self, number: int) -> None:
        ran.append((number, threading.current_thread()))
        while not gate.is_set():
            try:
                gate.wait(30)
            except BaseException:  # noqa: BLE001 - that is it
                continue


@contextmanager
def forgotten() -> Generator[None]:
    """Nothing is noted of what ran before; what holds is let go at the end."""
    ran.clear()
    gate.clear()
    let_go.clear()
    try:
        yield
    finally:
        gate.set()
        let_go.set()


def one_does_all(worker: Worker) -> None:
    worker._pace.observe(100, 0.001)
    worker._pace.one = True


def threads_of(number: int) -> set[threading.Thread]:
    return {thread for each, thread in ran if each == number}


def numbers() -> list[int]:
    return sorted(number for number, _ in ran)
