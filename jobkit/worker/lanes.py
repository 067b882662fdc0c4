"""Threads reserved for queues: `-q pdf@2`.

A queue with reserved threads is a lane of its own, of exactly so many threads: its jobs never take
more, however slow they are, and no other jobs take these. All other queues share the rest.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobkit.adapter import Claim, Settlement
from jobkit.errors import AdapterError
from jobkit.settings import Queues
from jobkit.transactions import Settled
from jobkit.worker.claimer import Claimer, order_of
from jobkit.worker.desk import Desk
from jobkit.worker.idle import POLL
from jobkit.worker.pace import PATIENCE, Pace
from jobkit.worker.pool import Perform, Pool
from jobkit.worker.settler import Settler

__all__ = ["Lane", "LaneClaimer", "Lanes", "lanes_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """Queues that share some threads."""

    queues: Queues
    threads: int


def lanes_of(queues: Queues, concurrency: int) -> tuple[Lane, ...]:
    """The lane that queues without threads of their own share, if any, and one for each other."""
    own = [Lane(Queues((name,)), threads) for name, threads in queues.reserved.items()]
    names = tuple(name for name in queues.names if name not in queues.reserved)
    if not names:
        return tuple(own)
    weights = queues.weights
    kept = None if weights is None else {name: weights[name] for name in names}
    return (Lane(Queues(names, kept), concurrency - sum(queues.reserved.values())), *own)


class Lanes:
    """How many more jobs each lane has threads for.

    A job counts from its claim until its body and hooks have ended, or it was given back.
    """

    def __init__(self, desk: Desk) -> None:
        self.lanes = lanes_of(desk.options.queues, desk.options.concurrency)
        self._desk = desk
        self._lock = threading.Lock()
        self._taken: dict[str, Lane] = {}

    def performing(self, perform: Perform) -> Perform:
        """`perform`, so that its end is noticed."""

        def performed(claim: Claim) -> Settlement | Settled:
            try:
                return perform(claim)
            finally:
                with self._lock:
                    self._taken.pop(claim.receipt, None)

        return performed

    def took(self, claims: Sequence[Claim], lane: Lane) -> None:
        """These were claimed for the lane."""
        with self._lock:
            self._taken.update((claim.receipt, lane) for claim in claims)

    def rooms(self) -> Mapping[Lane, int]:
        """The threads that each lane has left; lanes without any are left out."""
        held = self._desk.held
        with self._lock:
            for receipt in [each for each in self._taken if each not in held]:
                del self._taken[receipt]  # given back, lost, or written off
            busy = Counter(self._taken.values())
        rooms = {lane: lane.threads - busy[lane] for lane in self.lanes}
        return {lane: room for lane, room in rooms.items() if room > 0}


class LaneClaimer(Claimer):
    """Asks for each lane by itself, for as many jobs as it has threads free.

    Nothing is prefetched: a thread must never find a job in hand that is not its lane's.
    """

    def __init__(self, desk: Desk, pool: Pool, settler: Settler, pace: Pace, lanes: Lanes) -> None:
        super().__init__(desk, pool, settler, pace)
        self._lanes = lanes

    def _room(self) -> int:
        room = sum(self._lanes.rooms().values())
        most = self.desk.options.max_jobs
        return room if most is None else min(room, most - self.claimed)

    def _lent(self, room: int) -> list[Claim]:
        claims: list[Claim] = []
        for lane, free in self._lanes.rooms().items():
            limit = min(free, room - len(claims))
            if limit <= 0:
                break
            try:
                found = self.desk.adapter.claim(
                    order_of(lane.queues), limit=limit, worker=self.desk.identity
                )
            except AdapterError:
                if claims:
                    self.desk.unsure = True
                    break  # what came before must be run; the next claim will tell
                raise
            # In hand before they are counted: what is counted and not in hand is forgotten.
            self.desk.held.update((claim.receipt, claim) for claim in found)
            self._lanes.took(found, lane)
            claims += found
        return claims

    def _await_room(self) -> None:
        self._await_end(PATIENCE)

    def _wait(self) -> None:
        if self.desk.options.burst or len(self._lanes.rooms()) == len(self._lanes.lanes):
            # No offers: whose thread the job would take is known only when it has come.
            self._run_lent(self._idle.wait)
        else:
            # The store cannot wake for a lane that may take and at once tell when another may.
            self._await_end(POLL)

    def _await_end(self, timeout: float) -> None:
        rooms = self._lanes.rooms()
        self._pool.wait_for_end(timeout, unless=lambda: self._lanes.rooms() != rooms)
