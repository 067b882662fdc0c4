"""Time limits of runs: the thread that watches them, and how one reaches a job.

At its limit a job gets a `JobTimeout`: raised in its thread by an asynchronous exception, or its
coroutine is cancelled. A thread that has not come back some seconds later is written off. Where a
job keeps this thread from turning, too, the supervisor sees on the board that it is over its limit.
"""

from __future__ import annotations

import math
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType
from typing import Any, Final, Literal

from jobkit.adapter import Claim
from jobkit.errors import JobTimeout
from jobkit.jobs.running import Run
from jobkit.outcome import Abandoned
from jobkit.worker.board import GRACE
from jobkit.worker.desk import Desk
from jobkit.worker.part import Part

__all__ = ["Alarm", "Timer", "frame_of", "limited", "over_limit", "raise_in", "stack_of"]

_LONGEST_WAIT: Final = 3600.0
"""Seconds; a thread cannot wait for centuries."""


class _Nothing(BaseException):
    """Raised to be caught at once."""


def raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have the thread with this ident raise an error of that class at its next step of Python.

    None: what it was to raise and has not is taken back.
    """
    _send(thread, error)
    if sys.version_info < (3, 13):
        _forget_that_something_was_sent()


def _send(thread: int, error: type[BaseException] | None) -> None:
    import ctypes  # noqa: PLC0415 - for a job that outlasts its limit only

    nothing = ctypes.py_object()
    raising = nothing if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raising)


def _forget_that_something_was_sent() -> None:
    """Have this thread receive something.

    These Pythons note for all threads together that something was sent, until any of them has
    received it. As long as it stands none runs at full speed, and a function that is traced, by a
    debugger or for coverage, never begins in Python 3.11. The addressee is reminded of what it
    was sent when it gets its turn.
    """
    with suppress(_Nothing):
        _send(threading.get_ident(), _Nothing)
        while True:  # it arrives within a step
            pass


class Alarm:
    """The limit of one run. Armed for the body only: nothing reaches the thread behind `disarm`.

    A thread's own code may be interrupted anywhere between the two, so that the lock they share
    with the timer must be one whose taking and giving back are single steps: no Condition.
    """

    def __init__(self, timer: Timer, claim: Claim, run: Run, seconds: float) -> None:
        self.claim = claim
        self.run = run
        self.seconds = seconds
        self.thread = threading.current_thread()
        """The thread of the pool that waits for the end of the run."""
        self.runs_in = 0
        """The ident of the thread that the body runs in: the same, or the event loop's."""
        self.due = math.inf
        self.began = monotonic()
        self._timer = timer
        self._state: Literal["off", "armed", "fired", "abandoned"] = "off"
        self._fire: Callable[[], object] | None = None

    @property
    def abandoned(self) -> bool:
        """True when the run was written off: nothing that it does counts any more."""
        return self._state == "abandoned"

    @property
    def fired(self) -> bool:
        """True when the body was told that its time is over."""
        return self._state in ("fired", "abandoned")

    def error(self) -> JobTimeout:
        """What the run fails by."""
        return over_limit(self.seconds)

    def explain(self, error: JobTimeout) -> None:
        """Say in the error what the thread raised without a word."""
        if not error.args:
            error.args = self.error().args

    def arm(self, fire: Callable[[], object] | None = None) -> None:
        """Begin to count, in the thread of the body; `fire` stops it, or it raises here."""
        self.runs_in = threading.get_ident()
        self._fire = fire
        self.due = monotonic() + self.seconds
        self._state = "armed"
        self._timer.watch(self)

    def disarm(self) -> None:
        """End it, in the thread of the body. Raises Abandoned when the run was written off.

        What was sent and has not arrived is taken back; while that happens it may still arrive.
        """
        if self._timer.let_go(self) and self._fire is None:
            raise_in(self.runs_in, None)
        if self._state == "abandoned":
            raise Abandoned
        self._state = "off"

    def strike(self, again: float) -> bool:
        """The timer's, under its lock: fire and be due `again`; then write off, True for that."""
        if self._state == "fired":
            self._state = "abandoned"
            return True
        self._state, self.due = "fired", again
        if self._fire is None:
            raise_in(self.runs_in, JobTimeout)
        else:
            self._fire()
        return False


class Timer(Part):
    """Watches the limits of what runs. Its thread begins with the first job that has one."""

    name = "timer"

    def __init__(
        self, desk: Desk, write_off: Callable[[Alarm], None], *, grace: float = GRACE
    ) -> None:
        """`write_off` is told of a run whose thread does not come back."""
        super().__init__(desk)
        self._write_off = write_off
        self._grace = grace
        self._lock = threading.Lock()
        self._alarms: set[Alarm] = set()  # of what runs now: never more than there are threads
        self._next = math.inf
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._begun = False

    def alarm(self, claim: Claim, run: Run, seconds: float) -> Alarm:
        """The limit of a run, to be armed."""
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            self.start()
        return Alarm(self, claim, run, seconds)

    def watch(self, alarm: Alarm) -> None:
        """Strike the alarm when it is due."""
        self.desk.board.limit(alarm.claim.receipt, alarm.due)
        with self._lock:
            self._alarms.add(alarm)
            sooner = alarm.due < self._next
            if sooner:
                self._next = alarm.due
        if sooner:
            self._bell.put(None)

    def let_go(self, alarm: Alarm) -> bool:
        """Watch it no more; True when it had been struck."""
        self.desk.board.limit(alarm.claim.receipt, 0.0)
        with self._lock:
            self._alarms.discard(alarm)
            return alarm.fired

    def wake(self) -> None:
        self._bell.put(None)

    def work(self) -> None:
        """Strike what is due until asked to end."""
        while not self.ending.is_set():
            for alarm in self._struck(monotonic()):
                self._write_off(alarm)
            with suppress(Empty):
                self._bell.get(timeout=min(_LONGEST_WAIT, max(0.0, self._next - monotonic())))

    def _struck(self, now: float) -> list[Alarm]:
        """Strike what is due; what that writes off."""
        with self._lock:
            due = [alarm for alarm in self._alarms if alarm.due <= now]
            overdue = [alarm for alarm in due if alarm.strike(now + self._grace)]
            self._alarms.difference_update(overdue)
            self._next = min((alarm.due for alarm in self._alarms), default=math.inf)
        return overdue


def over_limit(seconds: float) -> JobTimeout:
    """What a job fails by that ran longer than this."""
    return JobTimeout(f"the job ran longer than its limit of {seconds:g} s")


def limited(alarm: Alarm, body: Callable[[], Any]) -> Any:
    """What the body returns, in this thread. Raises JobTimeout at its limit; see `Alarm`."""
    results: list[Any] = []
    try:
        try:
            alarm.arm()
            results.append(body())
        finally:
            alarm.disarm()
    except JobTimeout as error:
        alarm.disarm()  # it may have arrived at the very beginning of the first one
        if not results:
            alarm.explain(error)
            raise
    return results[0]


def frame_of(thread: int) -> FrameType | None:
    """Where the thread with this ident is now; None for one that has ended."""
    return sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]


def stack_of(thread: int) -> str:
    """Where the thread with this ident is now, as text."""
    return "".join(traceback.format_stack(frame_of(thread)))
