"""Who breaks things: kills, suspends and stops processes that are busy, by a seeded die."""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tests.chaos.fleet import Fleet, Unit
from tests.chaos.journal import Journal, Reader
from tests.chaos.processes import stands_still
from tests.chaos.stores import Server, Store
from tests.faults.proxy import Proxy

__all__ = ["Act", "Nemesis", "NothingToHit", "shuffled"]


class Act(StrEnum):
    """What is done, and the word for it in the journal."""

    KILL = "kill"
    """SIGKILL to a process that runs jobs."""
    ZOMBIE = "zombie"
    """SIGSTOP to one, and to who beats for it, for 1.5 to 3 leases."""
    PAUSE = "pause"
    """The same for a third of a lease, which must harm nobody."""
    PAUSE_ALL = "pause-all"
    """SIGSTOP to everybody for five leases: who watches was asleep as well, nobody is harmed."""
    STOP = "stop"
    """SIGTERM to what was started: the end in good order."""
    STOP_ANY = "stop-any"
    """The same to anything that lives, be it busy or not even up."""
    ROLL = "roll"
    """SIGHUP to a supervisor: new processes for the old ones, which leave in good order."""
    KILL_SUPERVISOR = "kill-supervisor"
    """SIGKILL to the process above."""
    KILL_ALL = "kill-all"
    """SIGKILL to both at once."""
    KILL_STORE = "kill-store"
    STOP_STORE = "stop-store"
    SUSPEND_STORE = "suspend-store"
    CUT = "cut"
    BLACK_HOLE = "black-hole"
    DELAY = "delay"
    DROP_REPLY = "drop-reply"


STORE_ACTS: Final = frozenset({Act.KILL_STORE, Act.STOP_STORE, Act.SUSPEND_STORE})
_DEADLY: Final = frozenset({Act.KILL, Act.KILL_SUPERVISOR, Act.KILL_ALL, Act.ZOMBIE})
"""Their target may be held still before; the others must harm nobody."""
PROXY_ACTS: Final = frozenset({Act.CUT, Act.BLACK_HOLE, Act.DELAY, Act.DROP_REPLY})

_FIND_WITHIN: Final = 30.0
_GLANCE: Final = 0.01
_MOMENT: Final = 0.0005
_STANDS_WITHIN: Final = 0.1
"""Seconds: a thread stops when it comes out of the kernel, where it may wait for the disk."""
_FEW: Final = 20


class NothingToHit(Exception):
    """No process was busy for a long time: the run has come to a standstill."""


def shuffled(acts: Mapping[Act, int], chance: random.Random) -> list[Act]:
    """So many acts of each kind, in an order that follows from the seed alone."""
    order = [act for act, times in acts.items() for _ in range(times)]
    chance.shuffle(order)
    return order


@dataclass(order=True)
class _Later:
    at: float
    do: Callable[[], None] = field(compare=False)


class Busy:
    """Which processes run jobs now, by the journal."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._running: dict[int, set[str]] = defaultdict(set)

    def now(self) -> set[int]:
        # Until it has caught up: to read takes longer than many a job.
        while self._read() > _FEW:
            pass
        return {pid for pid, jobs in self._running.items() if jobs}

    def _read(self) -> int:
        """Note what is new in the journal; how many entries that were."""
        entries = list(self._reader.read())
        for entry in entries:
            if entry.word == "start":
                self._running[entry.pid].add(entry.rest[0])
            elif entry.word in {"settled", "stale"}:
                self._running[entry.pid].discard(entry.rest[0])
        return len(entries)


class Nemesis:
    """Performs acts one after the other; what it suspends it lets go on meanwhile."""

    def __init__(
        self,
        fleet: Fleet,
        store: Store,
        journal: Journal,
        *,
        seed: int,
        proxy: Proxy | None = None,
        pace: tuple[float, float] = (0.1, 0.4),
    ) -> None:
        """`pace` bounds the seconds between two acts."""
        self._fleet = fleet
        self._store = store
        self._journal = journal
        self._proxy = proxy
        self._pace = pace
        self._chance = random.Random(seed)
        self._busy = Busy(Reader(journal.path))
        self._later: list[_Later] = []
        self._suspended: set[int] = set()

    def rage(self, acts: Mapping[Act, int]) -> None:
        """Perform so many acts of each kind, in an order of the seed, and heal."""
        for act in shuffled(acts, self._chance):
            self._do(act)
            self._wait(self._chance.uniform(*self._pace))
        while self._later:
            self._wait(_GLANCE)
        self._fleet.tend()

    def watch(self, seconds: float) -> None:
        """Do nothing but replace what ends."""
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        """Let time pass, with what falls due in it."""
        deadline = time.monotonic() + seconds
        while True:
            while self._later and self._later[0].at <= time.monotonic():
                heapq.heappop(self._later).do()
            self._fleet.tend()
            if (left := deadline - time.monotonic()) <= 0:
                return
            time.sleep(min(left, _GLANCE))

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._later, _Later(time.monotonic() + seconds, do))

    def _do(self, act: Act) -> None:
        if act in STORE_ACTS:
            self._harm_store(act)
        elif act in PROXY_ACTS:
            self._harm_network(act)
        elif act is Act.STOP_ANY:
            self._stop(act, self._chance.choice(self._staying()))
        else:
            if act is Act.ZOMBIE:
                self._leave_somebody_awake()
            unit, pid = self._target(still=act in _DEADLY)
            self._journal.write("aim", str(act), pid=pid)
            self._harm_worker(act, unit, pid)
            if act in _DEADLY and pid not in self._suspended:
                _signal(pid, signal.SIGCONT)

    def _leave_somebody_awake(self) -> None:
        """Who is dead is seen by the others: half of them stay awake, or nothing would happen."""
        while 2 * len(self._suspended) >= max(2, self._fleet.size):
            self._wait(_GLANCE)

    def _target(self, *, still: bool) -> tuple[Unit, int]:
        """A busy worker process, held still if asked so that it stays busy, and its unit."""
        deadline = time.monotonic() + _FIND_WITHIN
        while time.monotonic() < deadline:
            busy = self._busy.now()
            found = [
                (unit, pid)
                for unit in self._staying()
                for pid in unit.workers()
                if pid in busy and pid not in self._suspended and unit.pid not in self._suspended
            ]
            if found:
                unit, pid = self._chance.choice(found)
                if not still or self._holds_still(pid):
                    return unit, pid
            self._wait(_GLANCE)
        raise NothingToHit(f"no worker process was busy for {_FIND_WITHIN:.0f} s")

    def _holds_still(self, pid: int) -> bool:
        """Suspend it if it is busy even then: what was read of it before may be over by now."""
        _signal(pid, signal.SIGSTOP)
        deadline = time.monotonic() + _STANDS_WITHIN
        while not stands_still(pid) and time.monotonic() < deadline:
            time.sleep(_MOMENT)
        if stands_still(pid) and pid in self._busy.now():
            return True
        _signal(pid, signal.SIGCONT)
        return False

    def _staying(self) -> list[Unit]:
        units = self._fleet.units
        return [unit for unit in units if not unit.leaving and unit.process.poll() is None]

    def _stop(self, act: Act, unit: Unit) -> None:
        unit.leaving = True
        for each in unit.everyone():
            self._note(act, each)
        unit.process.terminate()

    def _harm_worker(self, act: Act, unit: Unit, pid: int) -> None:
        match act:
            case Act.KILL:
                self._kill(act, [pid])
            case Act.KILL_SUPERVISOR:
                for child in unit.workers():
                    self._note(Act.STOP, child)  # by itself, when the one above is gone
                self._kill(act, [unit.pid])
            case Act.KILL_ALL:
                self._kill(act, unit.everyone())
            case Act.STOP:
                self._stop(act, unit)
            case Act.ROLL:
                self._note(act, unit.pid)
                _signal(unit.pid, signal.SIGHUP)
            case Act.PAUSE_ALL:
                everyone = [each for unit in self._fleet.units for each in unit.everyone()]
                self._suspend(act, everyone, 5 * self._fleet.lease)
            case _:
                leases = self._chance.uniform(*((1.5, 3.0) if act is Act.ZOMBIE else (0.2, 0.4)))
                self._suspend(act, unit.everyone(), leases * self._fleet.lease)

    def _kill(self, act: Act, pids: list[int]) -> None:
        for pid in pids:
            self._note(act, pid)
            _signal(pid, signal.SIGKILL)

    def _suspend(self, act: Act, pids: list[int], seconds: float) -> None:
        for pid in pids:
            self._note(act, pid)
            _signal(pid, signal.SIGSTOP)
        self._suspended.update(pids)
        self._after(seconds, lambda: self._resume(pids))

    def _resume(self, pids: list[int]) -> None:
        self._suspended.difference_update(pids)
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        for pid in pids:
            self._note("resume", pid)

    def _harm_store(self, act: Act) -> None:
        store = self._store
        assert isinstance(store, Server), f"{act} needs a store that is a process"
        self._note(act, store.pid)
        if act is Act.SUSPEND_STORE:
            store.suspend()
            self._wait(self._chance.uniform(0.5, 3.0))
            store.resume()
        else:
            (store.kill if act is Act.KILL_STORE else store.stop)()
            self._wait(self._chance.uniform(0.0, 2.0))
            store.start()
            self._fleet.guard.adopt(store.pid)
        self._note("healed", 0)

    def _harm_network(self, act: Act) -> None:
        proxy = self._proxy
        assert proxy is not None, f"{act} needs a store with a socket"
        self._note(act, 0)
        match act:
            case Act.CUT:
                proxy.cut()
            case Act.DROP_REPLY:
                proxy.drop_next_reply().wait(5)
            case Act.BLACK_HOLE:
                proxy.black_hole()
            case _:
                proxy.delay(0.2)
        if act in {Act.BLACK_HOLE, Act.DELAY}:
            self._wait(self._chance.uniform(0.5, 3.0))
            proxy.heal()
        self._note("healed", 0)

    def _note(self, act: str, pid: int) -> None:
        self._journal.write("act", str(act), pid=pid)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just left
        os.kill(pid, number)
