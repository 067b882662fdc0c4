"""One worker: its parts put together."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import TYPE_CHECKING, Final

from jobkit import events, middleware
from jobkit.adapter import Adapter, Claim, Settlement
from jobkit.clock import SYSTEM, Clock
from jobkit.errors import AdapterError
from jobkit.jobs.running import Run
from jobkit.measures import SupportsMetrics
from jobkit.outcome import Outcome
from jobkit.transactions import Settled
from jobkit.worker.board import Board
from jobkit.worker.claimer import Claimer
from jobkit.worker.coroutines import EventLoop
from jobkit.worker.desk import Desk, Message, resident_bytes
from jobkit.worker.heart import Heart
from jobkit.worker.holding import Holding
from jobkit.worker.keeper import Keeper
from jobkit.worker.lanes import LaneClaimer, Lanes
from jobkit.worker.measuring import Measures, Recorder
from jobkit.worker.options import WorkerOptions
from jobkit.worker.pace import Pace
from jobkit.worker.part import Part, Patience
from jobkit.worker.performing import Performer
from jobkit.worker.pool import Pool
from jobkit.worker.settler import Settler
from jobkit.worker.sizing import Sizing
from jobkit.worker.timer import Alarm, Timer, stack_of

if TYPE_CHECKING:
    from jobkit.worker.isolation import Isolation

__all__ = ["Worker"]

PART_ENDS_WITHIN: Final = 5.0
"""Seconds that a part gets to end when the worker leaves; longer than a store call's time-out."""

_HAS_GIL: Final[bool] = getattr(sys, "_is_gil_enabled", lambda: True)()

_log = logging.getLogger("jobkit.worker")


class Worker:
    """Works on one adapter until told to stop.

    `start`, then `quiet` and `stop` from any thread; `next_message` is what the owner waits for.
    """

    def __init__(
        self,
        adapter: Adapter,
        options: WorkerOptions,
        *,
        clock: Clock = SYSTEM,
        board: Board | None = None,
        announce: Callable[[str], object] = lambda identity: None,
        stuck: Callable[[], object] | None = None,
    ) -> None:
        """`board`, `announce` and `stuck` are its supervisor's, see there and `Desk`.

        `stuck` is told when a thread does not come back from a job that is over its time limit:
        the process is about to leave. Without a supervisor it stays.
        """
        self.desk = desk = Desk(adapter, options, clock, board=board, announce=announce)
        self._lock = threading.Lock()
        self._loop = EventLoop()
        self._pace = pace = Pace(options.concurrency)
        self._stuck = stuck
        self._timer = Timer(desk, self._write_off)
        self._isolation: Isolation | None = None
        self._performer = Performer(
            adapter, clock, self._loop.run, self._timer, self._perform_isolated
        )
        lanes = Lanes(desk) if options.queues.reserved else None
        perform = self._performer.perform
        watched = perform if lanes is None else lanes.performing(perform)
        self._pool = Pool(desk, watched, self._deliver, self._rested)
        quick, one_may_do = adapter.features.quick, _one_may_do(options)
        self._sizing = Sizing(self._pool, pace, clock, quick=quick, always_all=not one_may_do)
        desk.holder = Holding(desk, self._deliver)
        measures = Measures(kept=isinstance(adapter, SupportsMetrics))
        self._settler = Settler(desk, pace, measures, self._pool.idle)
        self._recorder = Recorder(desk, measures)
        self._claimer = self._made_claimer(lanes)
        self._keeper = Keeper(desk, self._settler.give_back)
        self._heart = Heart(desk, self._pool.take_back, self._beaten, self._loop.cancel)

    @property
    def id(self) -> str:
        """The worker's identity; a new one after its lease was lost."""
        return self.desk.identity

    def start(self, failed: Callable[[AdapterError], object] = lambda error: None) -> bool:
        """Register and begin; False when the store did not answer within `boot_timeout`.

        `failed` is told of every try in vain.
        """
        if not self._registered(failed):
            return False
        if self.desk.options.burst:
            self._promote()
        middleware.tell("startup", self)
        events.emit("worker_start", adapter=self.desk.adapter, worker=self.id)
        self._pool.start()
        for part in (self._settler, self._heart, self._keeper, self._recorder, self._claimer):
            part.start()
        return True

    def quiet(self) -> None:
        """Take no more jobs, for good, and give back what has not started."""
        if self.desk.quiet.is_set():
            return
        self.desk.quiet.set()
        self._claimer.give_back_waiting()
        middleware.tell("quiet", self)
        events.emit("worker_quiet", adapter=self.desk.adapter, worker=self.id)

    def stop(self, timeout: float) -> bool:
        """End: jobs get `timeout` seconds, the rest is given back; True when all had ended."""
        ended = self.wind_down(timeout)
        self.retire()
        return ended

    def interrupt(self) -> None:
        """Have the jobs that `stop` gave back end here: what they do counts no more."""
        # Not both: a thread whose coroutine is cancelled is on its way out already.
        self._pool.interrupt(spare=frozenset(self._loop.waiting))
        self._loop.abandon()

    def wind_down(self, timeout: float) -> bool:
        """End as `stop` does, but stay registered and keep what had not ended in time."""
        self.quiet()
        self.desk.stopping.set()
        self._end(self._claimer)
        self._claimer.give_back_waiting()
        ended = self._pool.drained(timeout)
        if self._isolation is not None:
            self._isolation.end()
        middleware.tell("shutdown", self)
        for part in (self._timer, self._keeper, self._settler, self._recorder, self._heart):
            self._end(part)
        if ended:
            self._loop.stop()
        return ended

    def hand_on(self) -> None:
        """Leave what is still held to the supervisor: it gives it back when this process is gone.

        Until then the jobs run on, and nobody else may start them.
        """
        returned = len(self.desk.held)
        events.emit("worker_stop", adapter=self.desk.adapter, worker=self.id, returned=returned)

    def next_message(self) -> Message:
        """Wait for an order, the end of a burst, or a broken part."""
        while True:
            self._turn()
            try:
                return self.desk.inbox.get(timeout=self._sizing.pause)
            except Empty:
                continue

    def _turn(self) -> None:
        """Show that the main thread turns, and look whether the process has grown too large."""
        desk, most = self.desk, self.desk.options.max_memory
        desk.board.turn()
        self._sizing.look()
        if most is not None and not desk.worn.is_set() and resident_bytes() > most:
            _log.info("%s has more than %d MB: it leaves when nothing runs", self.id, most >> 20)
            desk.worn.set()

    def _deliver(self, settlement: Settlement | Settled, seconds: float) -> None:
        # Pool and settler know each other: this is the knot.
        self._settler.deliver(settlement, seconds)

    def _beaten(self) -> None:
        middleware.tell("beat", self)

    def _rested(self) -> None:
        self._settler.hurry()

    def _perform_isolated(self, claim: Claim, run: Run) -> tuple[Claim, Outcome] | None:
        if self._isolation is None:
            # Loaded by those who use it.
            from jobkit.worker.isolation import Isolation  # noqa: PLC0415

            with self._lock:
                self._isolation = self._isolation or Isolation(self.desk)
        return self._isolation.outcome(claim, run)

    def _write_off(self, alarm: Alarm) -> None:
        """A thread sits in a job that does not heed its limit: go on without it."""
        desk = self.desk
        settled = partial(self._performer.written_off, alarm, desk.options.shutdown_timeout)
        name, at = alarm.claim.payload.job_class, stack_of(alarm.runs_in)
        _log.error("%s does not end at its time limit: its thread is left behind, at\n%s", name, at)
        self._pool.replace(alarm.thread, settled)
        if self._stuck is not None and not desk.options.burst:
            self._stuck()
            desk.inbox.put("stuck")

    def _made_claimer(self, lanes: Lanes | None) -> Claimer:
        parts = self.desk, self._pool, self._settler, self._pace
        return Claimer(*parts) if lanes is None else LaneClaimer(*parts, lanes)

    def _registered(self, failed: Callable[[AdapterError], object]) -> bool:
        desk, patience = self.desk, Patience("start")
        limit = desk.options.boot_timeout
        began = desk.clock.monotonic()
        while True:
            desk.board.turn()
            try:
                self._heart.register()
            except AdapterError as error:
                delay = patience.failed(error)
                failed(error)
                late = limit is not None and desk.clock.monotonic() - began + delay > limit
                if late or self._called_off(delay):
                    return False
            else:
                patience.worked()
                return True

    def _called_off(self, delay: float) -> bool:
        """Wait before the next try; True when a message came, which is left for the owner."""
        try:
            message = self.desk.inbox.get(timeout=delay)
        except Empty:
            return False
        self.desk.inbox.put(message)
        return True

    def _promote(self) -> None:
        """A burst works on what is due now, not only on what was promoted before."""
        while (done := self.desk.adapter.maintain(limit=1_000)).due_in == 0 and done.promoted:
            pass

    def _end(self, part: Part) -> None:
        if not part.end(PART_ENDS_WITHIN):
            _log.warning("the %s did not end within %.0f s", part.name, PART_ENDS_WITHIN)

    def retire(self) -> None:
        """Give back what is still held, and leave the store."""
        try:
            returned = self.desk.adapter.retire(self.id)
        except AdapterError as error:
            returned = 0
            _log.warning("could not retire, the lease will tell the others: %s", error)
        events.emit("worker_stop", adapter=self.desk.adapter, worker=self.id, returned=returned)


def _one_may_do(options: WorkerOptions) -> bool:
    """True where one thread may be enough, and it can be told whether it is; see `Sizing`."""
    return _HAS_GIL and not (options.embedded or options.queues.reserved)
