"""One worker: its parts put together, and its life as a process."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from contextlib import suppress
from queue import Empty
from types import FrameType
from typing import Final, NoReturn

from jobkit import events, middleware
from jobkit.adapter import Adapter, Settlement
from jobkit.clock import SYSTEM, Clock
from jobkit.errors import AdapterError
from jobkit.transactions import Settled
from jobkit.worker.claimer import Claimer
from jobkit.worker.coroutines import EventLoop
from jobkit.worker.desk import Broken, Desk, Message
from jobkit.worker.heart import Heart
from jobkit.worker.keeper import Keeper
from jobkit.worker.options import WorkerOptions
from jobkit.worker.pace import Pace
from jobkit.worker.part import Part, Patience
from jobkit.worker.performing import Performer
from jobkit.worker.pool import Pool
from jobkit.worker.settler import Settler

__all__ = ["Worker", "leave", "run_process"]

PART_ENDS_WITHIN: Final = 5.0
"""Seconds that a part gets to end when the worker leaves; longer than a store call's time-out."""

SECOND_TERM_AFTER: Final = 1.0
"""Seconds after which another TERM is meant: service managers send it to the group and to one."""

_TURN: Final = 0.2
_DUMPS: Final = tuple(
    getattr(signal, name) for name in ("SIGUSR1", "SIGTTIN") if hasattr(signal, name)
)

_log = logging.getLogger("jobkit.worker")


class Worker:
    """Works on one adapter until told to stop.

    `start`, then `quiet` and `stop` from any thread; `next_message` is what the owner waits for.
    """

    def __init__(self, adapter: Adapter, options: WorkerOptions, *, clock: Clock = SYSTEM) -> None:
        self.desk = desk = Desk(adapter, options, clock)
        self._loop = EventLoop()
        self._pace = pace = Pace(options.concurrency)
        performer = Performer(adapter, clock, self._loop.run)
        self._pool = Pool(desk, performer.perform, self._deliver)
        self._settler = Settler(desk, pace, self._pool.idle)
        self._claimer = Claimer(desk, self._pool, self._settler, pace)
        self._keeper = Keeper(desk, self._settler.give_back)
        self._heart = Heart(desk, self._pool.take_back, lambda: middleware.tell("beat", self))

    @property
    def id(self) -> str:
        """The worker's identity; a new one after its lease was lost."""
        return self.desk.identity

    def start(self) -> bool:
        """Register and begin; False when the store did not answer within `boot_timeout`."""
        if not self._registered():
            return False
        if self.desk.options.burst:
            self._promote()
        middleware.tell("startup", self)
        events.emit("worker_start", adapter=self.desk.adapter, worker=self.id)
        self._pool.start()
        for part in (self._settler, self._heart, self._keeper, self._claimer):
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
        self.quiet()
        self.desk.stopping.set()
        self._end(self._claimer)
        self._claimer.give_back_waiting()
        ended = self._pool.drained(timeout)
        middleware.tell("shutdown", self)
        for part in (self._keeper, self._settler, self._heart):
            self._end(part)
        self._retire()
        if ended:
            self._loop.stop()
        return ended

    def next_message(self) -> Message:
        """Wait for a signal, an order, the end of a burst, or a broken part."""
        while True:
            # Never without end: the kernel may hand a signal to another thread, and then nothing
            # interrupts this one, on which alone Python runs the handler.
            with suppress(Empty):
                return self.desk.inbox.get(timeout=_TURN)

    def _deliver(self, settlement: Settlement | Settled, seconds: float) -> None:
        # Pool and settler know each other: this is the knot.
        self._settler.deliver(settlement, seconds)

    def _registered(self) -> bool:
        desk, patience = self.desk, Patience("start")
        limit = desk.options.boot_timeout
        began = desk.clock.monotonic()
        while True:
            try:
                self._heart.register()
            except AdapterError as error:
                delay = patience.failed(error)
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

    def _retire(self) -> None:
        try:
            returned = self.desk.adapter.retire(self.id)
        except AdapterError as error:
            returned = 0
            _log.warning("could not retire, the lease will tell the others: %s", error)
        events.emit("worker_stop", adapter=self.desk.adapter, worker=self.id, returned=returned)


def run_process(adapter: Adapter, options: WorkerOptions) -> int:
    """Work until a signal, an order or the end of a burst; the exit code.

    TERM and INT stop, a second INT (or a TERM a second later) stops without waiting, TSTP quiets
    for good, USR1 and TTIN write every thread's stack to stderr.
    """
    worker = Worker(adapter, options)
    _listen(worker)
    if not worker.start():
        if not worker.desk.inbox.empty():
            return 0  # told to stop before the store answered
        _log.error("the store did not answer within the boot time-out")
        return 1
    _log.info("%s serves %s with %d threads", worker.id, *_described(options))
    return _Life(worker, options).lived()


class _Life:
    """The main thread of a worker process: obeys messages until it is time to leave."""

    def __init__(self, worker: Worker, options: WorkerOptions) -> None:
        self._worker = worker
        self._options = options

    def lived(self) -> int:
        """Wait for the end, and leave in good order; the exit code."""
        code = 0
        while True:
            message = self._worker.next_message()
            if isinstance(message, Broken):
                _log.error("the %s broke", message.part, exc_info=message.error)
                code = 1
                break
            if message in (signal.SIGTSTP, "quiet"):
                _log.info("quiet: no more jobs are taken")
                self._worker.quiet()
            else:
                break
        self._leave()
        return code

    def _leave(self) -> None:
        _log.info("stopping, running jobs get %.0f s", self._options.shutdown_timeout)
        if not self._worker.stop(self._options.shutdown_timeout):
            _log.warning("some jobs did not end in time and were given back")


def _described(options: WorkerOptions) -> tuple[str, int]:
    return ", ".join(options.queues.names), options.concurrency


def _listen(worker: Worker) -> None:
    """Have signals noted for the main thread. Only what is safe within a handler: no lock."""
    stops: list[float] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        now = SYSTEM.monotonic()
        again = bool(stops) and (number == signal.SIGINT or now - stops[0] > SECOND_TERM_AFTER)
        if number != signal.SIGTSTP:
            stops.append(now)
            worker.desk.hurried = worker.desk.hurried or again
        worker.desk.inbox.put(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP):
        signal.signal(number, note)
    for number in _DUMPS:
        faulthandler.register(number, file=sys.stderr, all_threads=True)


def leave(code: int) -> NoReturn:
    """End the process without waiting for threads whose jobs were given back."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
