"""Asks the store for jobs."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from sys import maxsize
from time import sleep
from typing import Final

from jobkit.adapter import Claim, Release, Settlement
from jobkit.errors import AdapterError, LeaseLost
from jobkit.settings import Queues
from jobkit.worker.alone import Alone
from jobkit.worker.audit import Audit
from jobkit.worker.desk import Desk
from jobkit.worker.idle import Idle
from jobkit.worker.pace import PATIENCE, Pace, Waiting
from jobkit.worker.part import Part, Patience
from jobkit.worker.pool import Pool
from jobkit.worker.settler import BATCH, Settler

__all__ = ["Claimer", "order_of"]

_TURN: Final = 0.00005
"""Seconds in which threads begin with what was handed over to them."""

_log = logging.getLogger("jobkit.worker")


def order_of(queues: Queues) -> tuple[str, ...]:
    """The queues for one claim: as given, or at random in proportion to their weights.

    The order is drawn by exponential races (Efraimidis and Spirakis, 2006): a queue of weight w
    is first with probability w / sum of weights, and so on among the rest.
    """
    weights = queues.weights
    if weights is None:
        return queues.names
    return tuple(sorted(queues.names, key=lambda name: random.expovariate(weights[name])))


class Claimer(Part):
    """Keeps the threads busy: claims what they have room for, and a little beside it.

    One of the pool's threads does so, which leads by that. A single job that it is lent while all
    are idle it runs itself, and another leads in its place: to call one that does nothing takes a
    tenth of the way from an enqueue to its job. Tiny jobs of a quick store it runs and settles
    itself, by turns, and leads on.
    """

    name = "claimer"

    def __init__(self, desk: Desk, pool: Pool, settler: Settler, pace: Pace) -> None:
        super().__init__(desk)
        self._pool = pool
        self._settler = settler
        self._pace = pace
        self._quick = desk.adapter.features.quick
        self._waiting = Waiting()
        self._patience = Patience(self.name)
        self._alone = Alone(desk, pool, self._returned)
        self._audit = Audit(desk)
        self._idle = Idle(desk, pool, self.ending)
        self._kept: Claim | None = None
        """The job that the thread which leads is to run itself."""
        self._left = threading.Event()
        """Set while nobody leads, nor is called to."""
        self._left.set()
        self.claimed = 0

    def start(self) -> None:
        """Begin, on one of the pool's threads."""
        self._left.clear()
        self._pool.lead(self._lead)

    def ended(self, timeout: float | None = None) -> bool:
        return self._left.wait(timeout)

    def wake(self) -> None:
        self._pool.wake()
        self._pool.relieve()

    def work(self) -> None:
        """Claim until asked to end or, in a burst, until there is nothing left to do.

        Or until there is a job for this thread.
        """
        while not self.ending.is_set():
            self._return_the_stale()
            if self._does_all() and self._pool.waiting():
                self._run_here()
                continue
            if self._audit.due():
                self._look_for_the_lost()
            if self._held_back():
                self._withdraw()
                self.ending.wait(PATIENCE)
            elif (room := self._room()) <= 0:
                self._await_room()
            elif self._finished(room):
                self.desk.inbox.put("done")
                break
            elif self._kept is not None:
                return
        self._withdraw()

    def give_back_waiting(self) -> None:
        """Give back what no thread has started."""
        taken = [*self._pool.take_back(), *self._alone.take_back()]
        self._returned([Release(claim, started=False) for claim in taken])

    def _lead(self) -> Claim | None:
        """Work; the job to go on with while another thread leads, None at the end."""
        self._run()
        kept, self._kept = self._kept, None
        if kept is None:
            self._left.set()
        return kept

    def _returned(self, settlements: list[Settlement]) -> None:
        """Settle what no thread has started: it counts as never claimed."""
        self.claimed -= len(settlements)
        self._settler.give_back(settlements)

    def _look_for_the_lost(self) -> None:
        """Give back what was lent and not heard of.

        It is not run at once: only a claim tells what the limits say of a job.
        """
        desk = self.desk
        if desk.fenced.is_set() or self._settler.behind:
            return
        if not self._withdraw():  # what is on its way would be taken for lost
            return
        try:
            found = self._audit.found()
        except AdapterError as error:
            self.ending.wait(self._patience.failed(error))
            return
        # That a store can be read says nothing of claims: one that is read-only would be asked for
        # these ten times a second.
        if found:
            _log.warning("%d jobs were lent to this worker and the answer was lost", len(found))
            self._decline(found)

    def _decline(self, claims: list[Claim]) -> None:
        """Give back what was lent and is not to be run here."""
        self.desk.held.update((claim.receipt, claim) for claim in claims)
        self._settler.give_back([Release(claim, started=False) for claim in claims])

    def _held_back(self) -> bool:
        desk, enough = self.desk, self._has_enough()
        if enough and not desk.held:
            desk.inbox.put("done")
            self.ending.set()
        if desk.quiet.is_set() or desk.fenced.is_set() or desk.lapsed:
            return True
        # In this order: one that is to run alone is begun by this, if need be as the last of all.
        return self._settler.behind or self._alone.holds_back() or enough

    def _has_enough(self) -> bool:
        most = self.desk.options.max_jobs
        return self.desk.worn.is_set() or (most is not None and self.claimed >= most)

    def _does_all(self) -> bool:
        """True if this thread is to run the jobs as well as to claim and to settle them.

        In place of another, which rests.
        """
        pace = self._pace
        return self._quick and pace.one and pace.turn() > 0 and self._pool.resting() > 0

    def _run_here(self) -> None:
        """Run what is in hand, and settle it. Raises Relieved if another leads meanwhile."""
        self._pool.run_here(self._settler.keep, self._has_others)
        self._settler.kept(enough=max(1, min(BATCH, self._pace.turn() // 2)))
        if self._pool.waiting():  # others run that: nobody could be held, or all are called
            self._pool.call(self._pace.at_work)

    def _has_others(self) -> bool:
        return not self._pace.one or self.ending.is_set()

    def _room(self) -> int:
        """How many jobs to ask for: 0 until the threads run short of work."""
        room = self._pace.turn() if self._does_all() else self._room_of_all()
        most = self.desk.options.max_jobs
        return room if most is None else min(room, most - self.claimed)

    def _room_of_all(self) -> int:
        # In this order: one that a thread takes meanwhile is counted twice, not missed.
        waiting, free, prefetch = self._pool.waiting(), self._free(), self._pace.prefetch()
        if waiting > self._low() or not (free or prefetch):
            return 0
        return free + prefetch - waiting

    def _claim(self, room: int) -> bool:
        """Claim up to that many jobs and hand them over; False when there were none."""
        desk = self.desk
        try:
            claims = self._lent(room)
        except LeaseLost:
            desk.fenced.set()  # the heart registers anew
            return True
        except AdapterError as error:
            desk.unsure = True
            self.ending.wait(self._patience.failed(error))
            return True
        self._patience.worked()
        if claims:
            self._hand_over(self._taken_on(claims), room - len(claims))
        elif not desk.options.burst or desk.held:
            self._wait()
        return bool(claims)

    def _lent(self, room: int) -> list[Claim]:
        desk = self.desk
        return desk.adapter.claim(order_of(desk.options.queues), limit=room, worker=desk.identity)

    def _await_room(self) -> None:
        self._pool.wait_for_room(self._low(), PATIENCE)

    def _free(self) -> int:
        """Threads without a job; only those to be at work, while it is known how long jobs take."""
        if not self._pace.prefetch():
            return self._pool.free()
        return max(0, self._pace.at_work - self._pool.busy())

    def _low(self) -> int:
        """Claims in hand at which more are asked for.

        None while more threads are at work than are to: they rest when there is nothing.
        """
        return self._pace.low() if self._pool.awake() <= self._pace.at_work else 0

    def _wait(self) -> None:
        self._run_lent(self._idle.offer)

    def _run_lent(self, ask: Callable[[], list[Claim]]) -> None:
        """Have what is lent without a claim run, unless it came too late."""
        identity = self.desk.identity
        claims = self._answer(ask)
        if claims and self._is_late(identity):
            self._decline(claims)
        elif claims:
            admitted = self._taken_on(claims)
            if len(admitted) == 1 and self._pool.idle():
                (self._kept,) = admitted
            else:
                self._hand_over(admitted, maxsize)

    def _is_late(self, identity: str) -> bool:
        """True if nothing more is taken, or that worker may have been declared dead meanwhile."""
        desk = self.desk
        if self.ending.is_set() or desk.quiet.is_set() or desk.fenced.is_set():
            return True
        return desk.lapsed or desk.identity != identity

    def _withdraw(self) -> bool:
        """Have nothing lent but by claims; False if the store does not answer."""
        claims = self._answer(self._idle.withdraw)
        if claims:
            self._decline(claims)
        return claims is not None

    def _answer(self, ask: Callable[[], list[Claim]]) -> list[Claim] | None:
        try:
            return ask()
        except AdapterError as error:
            self.desk.unsure = True
            self.ending.wait(self._patience.failed(error))
            return None

    def _taken_on(self, claims: list[Claim]) -> list[Claim]:
        """Those of what is held from now on that may run now."""
        self._idle.end()
        self.claimed += len(claims)
        held = self.desk.held
        for claim in claims:
            held[claim.receipt] = claim
        return self._alone.admitted(claims)

    def _hand_over(self, claims: list[Claim], left: int) -> None:
        """Have the threads run them; there was room for `left` more."""
        self._waiting.handed(len(claims), self.desk.clock.monotonic())
        self._pool.hand_over(claims)
        # Asked after that: whoever has more called meanwhile has counted these, or is heard here.
        if self._does_all():
            return
        self._pool.call(self._pace.at_work)
        if left > 0:
            # What there is has been claimed: those who were called begin before more is asked.
            sleep(_TURN)

    def _finished(self, room: int) -> bool:
        """Claim; True when a burst has nothing left to do.

        Nothing may have been held before the claim that found nothing: a job that was being
        settled meanwhile may have enqueued itself again, or another.
        """
        idle = not self.desk.held
        return not self._claim(room) and self.desk.options.burst and idle

    def _return_the_stale(self) -> None:
        """Give back what was prefetched and waits too long: a thread elsewhere may be idle."""
        left = self._pool.waiting()
        if left and self._waiting.age(left, self.desk.clock.monotonic()) > PATIENCE:
            self._pace.stalled()
            self.give_back_waiting()
