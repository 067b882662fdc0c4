"""The threads that run jobs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from os import getpid
from sys import maxsize
from time import perf_counter
from typing import Final

from jobkit.adapter import Claim, Settlement
from jobkit.errors import Interrupted
from jobkit.execution import stop_signal
from jobkit.holding import holder
from jobkit.outcome import Abandoned
from jobkit.transactions import Settled
from jobkit.worker.calls import Calls, made_bed
from jobkit.worker.desk import Broken, Desk
from jobkit.worker.part import Relieved
from jobkit.worker.timer import raise_in

__all__ = ["Pool"]

_GLANCE: Final = 0.05
"""Seconds between looks whether somebody is in a hurry."""

_LAST_MOMENT: Final = 0.5
"""Seconds that running jobs have when somebody is: what is at its end need not run again."""

Perform = Callable[[Claim], Settlement | Settled]
Deliver = Callable[[Settlement | Settled, float], None]
Lead = Callable[[], Claim | None]


class Pool:
    """Threads that take claims from one place, in their order.

    `concurrency` of them, and one more that leads: it finds the claims. With one that is not to
    wait until another thread has been called, it leaves the lead to any and performs it itself.
    One that performs what waits while it leads can be relieved of the lead by another. The one
    that leads to the end does nothing more, so that never more perform at once.

    A thread that has nothing to do sleeps until it is called; one that runs takes the next claim
    without asking anybody. A job that raises anything at all never ends its thread.
    """

    def __init__(
        self, desk: Desk, perform: Perform, deliver: Deliver, rested: Callable[[], object]
    ) -> None:
        """`deliver` takes each settlement, with the seconds its job took.

        `rested` is told when the last thread that had work found no more. A thread whose `perform`
        raises Abandoned was replaced meanwhile, and ends.
        """
        self._desk = desk
        self._perform = perform
        self._deliver = deliver
        self._rested = rested
        self._waiting: deque[Claim] = deque()
        self._calls = Calls[Lead]()
        self._handed = 0
        self._ending = False
        self._slots: list[Claim | None] = [None] * (desk.options.concurrency + 1)
        self._leads: int | None = None
        """The slot of the thread that leads; None while the lead waits to be taken."""
        self._lead: Lead = lambda: None
        self._out: dict[int, threading.Lock] = {}
        """The slot of the one that leads while it performs: who takes it out has the lead.

        With the bed of a thread that is held to rest meanwhile, so that never too many perform.
        """
        self._pid = 0
        self._room = threading.Event()
        self._low = 0
        self._watched = False
        self._threads = [
            threading.Thread(target=self._live, args=(slot,), name=f"jobkit-{slot}", daemon=True)
            for slot in range(len(self._slots))
        ]

    def start(self) -> None:
        """Begin."""
        self._pid = getpid()
        for thread in self._threads:
            thread.start()

    def lead(self, lead: Lead) -> None:
        """Have a thread lead by calling that. None: the end of it.

        A claim: the thread performs it while another leads. Only while all are idle.
        """
        self._lead = lead
        self._calls.put(lead)

    def run_here(self, keep: Deliver, unless: Callable[[], bool]) -> None:
        """Perform what waits on the thread that leads, and asks for it, in place of one that rests.

        Not if none rests, nor if `unless`, asked once it can be relieved, is true. `keep` has each
        settlement; the caller sees to them when this returns.

        Raises Relieved if another thread leads meanwhile; `rested` has been told.
        """
        if (slot := self._leads) is None:
            raise RuntimeError("only the thread that leads performs here")
        if (rests := self._calls.hold()) is None:
            return
        self._out[slot] = rests
        if not unless():  # after that, so that whoever has them all called meanwhile is seen
            while self._leads == slot and (claim := self._next(slot)) is not None:
                self._run(slot, claim, keep)
        if self._out.pop(slot, None) is None:
            self._rested()
            raise Relieved
        self._calls.let_go(rests)

    def relieve(self, receipts: Collection[str] | None = None) -> bool:
        """Have another thread lead if the one that does is performing; one of these, if given."""
        slot = self._leads
        if slot is None or not self._performs(slot, receipts):
            return False
        if (rests := self._out.pop(slot, None)) is None:
            return False
        self._leads = None
        self._calls.let_go(rests)
        self._calls.put(self._lead)
        self._rested()
        return True

    def _performs(self, slot: int, receipts: Collection[str] | None) -> bool:
        claim = self._slots[slot]
        return receipts is None or (claim is not None and claim.receipt in receipts)

    def hand_over(self, claims: list[Claim]) -> None:
        """Have the claims performed, in this order, by who is called after that or is awake."""
        self._waiting.extend(claims)
        self._handed += len(claims)

    def call(self, threads: int) -> None:
        """Have so many threads at work, if there is work for them."""
        # Counted when the claims are there: a thread that is awake looks for them before it rests.
        # In this order: one that is taken meanwhile is counted twice, not missed.
        waiting = self.waiting()
        for _ in range(min(threads, waiting + self.busy()) - self.awake()):
            self._calls.put(None)

    def take_back(self) -> list[Claim]:
        """The claims that no thread has started: none will."""
        taken: list[Claim] = []
        with suppress(IndexError):
            while True:
                taken.append(self._waiting.popleft())
        self._handed -= len(taken)
        return taken

    def running(self) -> list[Claim]:
        """The claims whose jobs run now."""
        return [claim for claim in self._slots if claim is not None]

    def free(self) -> int:
        """Threads without a job, but for the one that leads."""
        return len(self._slots) - 1 - self.busy()

    def busy(self) -> int:
        """Threads with a job."""
        return len(self._slots) - self._slots.count(None)

    def awake(self) -> int:
        """Threads that have a job or look for one, but for the one that leads."""
        return len(self._slots) - 1 - self._calls.resting()

    def resting(self) -> int:
        """Threads that do nothing until they are called."""
        return self._calls.resting()

    def taken(self) -> int:
        """Claims that threads have taken since the start, about."""
        return self._handed - len(self._waiting)

    def waiting(self) -> int:
        """Claims that no thread has taken yet."""
        return len(self._waiting)

    def idle(self) -> bool:
        """True when nothing runs and nothing waits."""
        return not self._waiting and not self.busy()

    def wait_for_room(self, low: int, timeout: float) -> None:
        """Return when a thread is free and at most `low` claims wait, or after `timeout` s."""
        self._low = low
        self._room.clear()
        self._watched = True
        # Looked at after the flag is up, so that a thread which ends in between is not missed.
        if not (self.free() and self.waiting() <= low):
            self._room.wait(timeout)
        self._watched = False

    def wait_for_end(self, timeout: float, *, unless: Callable[[], bool]) -> None:
        """Return when a job has ended, or after `timeout` s; at once if `unless` is true."""
        self._low = maxsize
        self._room.clear()
        self._watched = True
        if not unless():  # after the flag is up, as above
            self._room.wait(timeout)
        self._watched = False

    def wake(self) -> None:
        """End a wait for room, or for an end."""
        self._room.set()

    def drained(self, timeout: float) -> bool:
        """Let the threads end after what they run now; False when one has not within `timeout`.

        In a hurry a moment must do. Who still leads runs nothing, and is not waited for: it is
        the store that does not let it end.
        """
        self._ending = True
        for _ in self._threads:
            self._calls.put(None)
        desk, hurried = self._desk, False
        deadline = desk.clock.monotonic() + timeout
        while alive := self._alive():
            now = desk.clock.monotonic()
            if desk.hurried and not hurried:
                hurried, deadline = True, min(deadline, now + _LAST_MOMENT)
            if now >= deadline:
                return False
            alive[0].join(min(deadline - now, _GLANCE))
            desk.board.turn()
        return True

    def _alive(self) -> list[threading.Thread]:
        """The threads that have not ended, but for the one that leads."""
        threads, leads = enumerate(self._threads), self._leads
        return [thread for slot, thread in threads if thread.is_alive() and slot != leads]

    def interrupt(self, *, spare: frozenset[int]) -> None:
        """Have what still runs end by `Interrupted`, once its jobs are nobody's business here.

        But for the threads with these idents.
        """
        for thread, claim in zip(self._threads, self._slots, strict=True):
            if claim is not None and thread.ident is not None and thread.ident not in spare:
                raise_in(thread.ident, Interrupted)

    def _next(self, slot: int) -> Claim | None:
        """The next claim that waits, for the thread of this slot.

        Its slot is taken before it waits no longer: at no moment does it seem to be nowhere.
        """
        try:
            self._slots[slot] = self._waiting[0]
            claim = self._slots[slot] = self._waiting.popleft()
        except IndexError:  # another thread was sooner
            self._slots[slot] = None
            return None
        return claim

    def replace(self, stuck: threading.Thread, settled: Callable[[], Settlement | Settled]) -> None:
        """Have a new thread take the place of one that does not come back from its job.

        `settled`: what becomes of the job, to be asked in the new thread.
        """
        slot = self._threads.index(stuck)
        if slot == self._leads:
            self.relieve()
        self._threads[slot] = thread = threading.Thread(
            target=self._take_over, args=(slot, settled), name=stuck.name, daemon=True
        )
        thread.start()

    def _take_over(self, slot: int, settled: Callable[[], Settlement | Settled]) -> None:
        began = perf_counter()
        settlement = settled()
        self._slots[slot] = None
        self._deliver(settlement, perf_counter() - began)
        self._room.set()
        self._live(slot)

    def _live(self, slot: int) -> None:
        try:
            with suppress(Abandoned):  # another thread has taken this one's place
                self._work(slot)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which leaves
            self._desk.inbox.put(Broken("pool", error))

    def _work(self, slot: int) -> None:
        stop_signal.set(self._desk.stopping.is_set)
        holder.set(self._desk.holder)
        bed = made_bed()
        while True:
            while (claim := self._next(slot)) is not None:
                self._run(slot, claim, self._deliver)
            if self._ending:
                return
            if self.idle():
                self._rested()
            if (lead := self._calls.get(bed, self.waiting)) is not None:
                self._leads = slot
                try:
                    claim = lead()
                except Relieved:
                    continue
                self._leads = None
                if claim is None:
                    return
                self._slots[slot] = claim  # before another leads, who has room for the others
                self._calls.put(lead)
                self._run(slot, claim, self._deliver)

    def _run(self, slot: int, claim: Claim, deliver: Deliver) -> None:
        self._desk.board.start(slot, claim.receipt)
        began = perf_counter()
        settlement = self._perform(claim)
        if getpid() != self._pid:  # a fork's child that came back from its job: it has no worker
            raise Abandoned
        self._slots[slot] = None
        deliver(settlement, perf_counter() - began)
        if self._watched and len(self._waiting) <= self._low:
            self._room.set()
