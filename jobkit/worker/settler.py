"""Brings outcomes to the store, many at a time."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from jobkit import events
from jobkit.adapter import Checkpoint, Claim, Settlement
from jobkit.errors import AdapterError, SettlementRefused
from jobkit.transactions import Settled
from jobkit.worker.desk import Desk
from jobkit.worker.measuring import Measures
from jobkit.worker.pace import Pace
from jobkit.worker.part import Part, Patience
from jobkit.worker.refusal import Refusals

__all__ = ["BATCH", "Settler"]

BATCH: Final = 100
"""Outcomes that are settled without waiting for more."""

_MOST: Final = 1_000
_SINGLY_AFTER: Final = 3
_AWAY_AFTER: Final = 2
_NEXT_BEAT: Final = 0.1

_log = logging.getLogger("jobkit.worker")


class Settler(Part):
    """Gathers settlements and applies them in batches; at once when nothing else runs.

    While the store is away what it gathered waits, and nothing is lost by that: the claims stay
    held until the store says otherwise.
    """

    name = "settler"

    def __init__(
        self, desk: Desk, pace: Pace, measures: Measures, idle: Callable[[], bool]
    ) -> None:
        super().__init__(desk)
        self._pace = pace
        self._measures = measures
        self._gather = desk.adapter.features.gather
        """Seconds the first outcome of a batch waits for others while jobs are running."""
        self._fenced = desk.adapter.features.fenced
        self._idle = idle
        self._ready: deque[tuple[Settlement | Settled, float]] = deque()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._patience = Patience(self.name)
        self._refusals = Refusals(desk.clock)
        self._failures = 0
        self._turn = threading.Lock()
        """Held by who settles: this part's thread, or the one that leads."""
        self._left: list[Settlement] = []
        """What `kept` could not settle."""
        self.settled = 0
        """Jobs settled since the start, given-back ones not counted."""

    @property
    def behind(self) -> bool:
        """True while the store does not take settlements: no more jobs should be claimed."""
        return self._patience.failing

    def deliver(self, settlement: Settlement | Settled, seconds: float) -> None:
        """Take the settlement of a job that took so long; from any thread."""
        self._ready.append((settlement, seconds))
        # Looked at first: to set an event again costs as much as all the rest.
        if not self._some.is_set():
            self._some.set()
        if len(self._ready) >= BATCH and not self._enough.is_set():
            self._enough.set()

    def keep(self, settlement: Settlement | Settled, seconds: float) -> None:
        """Take it as `deliver` does, from a thread that sees to it: by `kept`, or `hurry`."""
        self._ready.append((settlement, seconds))

    def kept(self, enough: int) -> None:
        """Settle what was kept on this thread if it is enough; else it waits for others.

        What the store does not take from it is left to the part's own thread.
        """
        if len(self._ready) >= enough and self._turn.acquire(blocking=False):
            try:
                self._settle_once()
            finally:
                self._turn.release()
            if self._left:
                self.wake()
        elif self._ready:
            self._some.set()

    def _settle_once(self) -> None:
        if batch := self._unsettled(self._gathered(_MOST - len(self._left))):
            self._left += self._applied(batch)

    def hurry(self) -> None:
        """Nothing runs any more: what was gathered need not wait for others."""
        if self._ready:
            self.wake()

    def give_back(self, settlements: list[Settlement]) -> None:
        """Take settlements of claims that were never started."""
        for settlement in settlements:
            self.deliver(settlement, -1.0)
        if self._idle():
            self.hurry()

    def wake(self) -> None:
        self._some.set()
        self._enough.set()

    def work(self) -> None:
        """Settle until asked to end, and then what is left, if the store takes it."""
        while not self.ending.is_set():
            self._some.wait()
            if not self._idle() and not self.ending.is_set():
                self._enough.wait(self._gather)
            with self._turn:
                self._settle(self._gathered())
        with self._turn:
            self._settle(self._gathered())

    def _gathered(self, most: int = _MOST) -> list[tuple[Settlement | Settled, float]]:
        # Cleared first: what is delivered from here on sets them again.
        self._some.clear()
        self._enough.clear()
        batch = [self._ready.popleft() for _ in range(min(len(self._ready), most))]
        if self._ready:
            self._some.set()
        if self.ending.is_set():  # whoever gathers: the part's thread must hear of its end
            self.wake()
        return batch

    def _settle(self, batch: list[tuple[Settlement | Settled, float]]) -> None:
        left, self._left = self._left + self._unsettled(batch), []
        if not batch and not left:
            return
        while left and (left := self._applied(left)):
            if self.ending.wait(self._delay):
                if left := self._applied(left):
                    _log.warning("%d outcomes could not be settled before leaving", len(left))
                return
            # What came meanwhile must not wait for what the store refuses.
            left += self._unsettled(self._gathered(_MOST - len(left)))
        self._patience.worked()

    def _unsettled(self, batch: list[tuple[Settlement | Settled, float]]) -> list[Settlement]:
        """What is left to do for the store: jobs may have been settled by their own transaction."""
        self._observe(batch)
        self._forget([done for done, _ in batch if isinstance(done, Settled)])
        return [settlement for settlement, _ in batch if not isinstance(settlement, Settled)]

    def _applied(self, settlements: list[Settlement]) -> list[Settlement]:
        """Apply them; those that must be tried again."""
        if not self._fenced:
            if self.desk.lapsed:
                self._delay = _NEXT_BEAT  # which will tell what is still held
                return settlements
            settlements = self._still_ours(settlements)
        if self._failures >= _SINGLY_AFTER and len(settlements) > 1:
            return self._singly(settlements)
        return self._tried(settlements)

    def _singly(self, settlements: list[Settlement]) -> list[Settlement]:
        """One of them may be what the store refuses: the others must not wait for it.

        What failed comes last the next time. Two failures in a row: the store is away.
        """
        waiting, failed, in_a_row = deque(settlements), list[Settlement](), 0
        while waiting and in_a_row < _AWAY_AFTER:
            again = self._tried([waiting.popleft()])
            in_a_row = in_a_row + 1 if again else 0
            failed += again
        if failed:
            self._failures = _SINGLY_AFTER
        return [*waiting, *failed]

    def _tried(self, settlements: list[Settlement]) -> list[Settlement]:
        try:
            stale = self.desk.adapter.settle(settlements)
        except SettlementRefused as error:
            return self._settled_otherwise(settlements, error)
        except AdapterError as error:
            self._failures += 1
            self._delay = self._patience.failed(error)
            return settlements
        self._forget(settlements)
        self._tell_lost(stale)
        return []

    _delay = 0.0

    def _still_ours(self, settlements: list[Settlement]) -> list[Settlement]:
        """Those of claims that the store did not call lost; where receipts fence it says so itself.

        After the loss of the lease that is none of the earlier: the desk was cleared.
        """
        held, lost = self.desk.held, self.desk.lost
        ours = [
            each
            for each in settlements
            if each.claim.receipt in held and each.claim.receipt not in lost
        ]
        others = [each for each in settlements if each not in ours]
        self._forget(others)
        self._tell_lost([each.claim for each in others])
        return ours

    def _settled_otherwise(
        self, settlements: list[Settlement], error: SettlementRefused
    ) -> list[Settlement]:
        """All but the refused were applied, and the refused would be again: end them otherwise."""
        refused = {settlement.claim.receipt for settlement in error.refused}
        self._forget([each for each in settlements if each.claim.receipt not in refused])
        self._tell_lost(error.stale)
        instead = [self._refusals.instead(settlement, error) for settlement in error.refused]
        pairs = zip(error.refused, instead, strict=True)
        abandoned = [settlement for settlement, other in pairs if other is None]
        # In this order: an audit must not find them among the lost.
        self.desk.abandoned.update(settlement.claim.receipt for settlement in abandoned)
        self._forget(abandoned)
        again = [settlement for settlement in instead if settlement is not None]
        return self._tried(again) if again else []

    def _tell_lost(self, stale: Sequence[Claim]) -> None:
        # After a failure the store may only be saying that it did apply them the first time.
        if stale and not self._failures:
            _log.warning("%d outcomes came too late: other workers have the jobs", len(stale))
            for claim in stale:
                self.desk.held.pop(claim.receipt, None)  # of a checkpoint: its job is told so
                events.emit("claim_lost", adapter=self.desk.adapter, claim=claim)
        self._failures = 0

    def _forget(self, settlements: Sequence[Settlement | Settled]) -> None:
        over = [each for each in settlements if not isinstance(each, Checkpoint)]
        for settlement in over:
            self.desk.held.pop(settlement.claim.receipt, None)
        self._refusals.forget(settlement.claim.receipt for settlement in over)
        if self.desk.cancelled:
            self.desk.cancelled.difference_update(each.claim.receipt for each in over)

    def _observe(self, batch: list[tuple[Settlement | Settled, float]]) -> None:
        times = [seconds for _, seconds in batch if seconds >= 0]
        if times:
            self._pace.observe(len(times), sum(times))
            self.settled += len(times)
            self._measures.add(batch)
