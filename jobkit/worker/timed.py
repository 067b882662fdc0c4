"""The run of a job that has a time limit, and what becomes of one that does not heed it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, Final

from jobkit.adapter import Adapter
from jobkit.callbacks import Callbacks
from jobkit.clock import Clock
from jobkit.handlers import Policy, Rule
from jobkit.jobs.performing import tell_outcome
from jobkit.jobs.running import Run
from jobkit.outcome import Outcome, Retried, Snoozed
from jobkit.payload import Payload
from jobkit.worker.failing import failed
from jobkit.worker.timer import Alarm, frame_of, limited

__all__ = ["TimedRun", "written_off"]

_MARGIN: Final = 1.0
"""Seconds beyond the end of a written-off thread's process before its job may run again."""


class TimedRun:
    """A run whose body ends at its limit; see `jobkit.execution.Runnable`."""

    def __init__(self, run: Run, alarm: Alarm) -> None:
        self.job: Any = run.job
        self.payload: Payload = run.payload
        self.executions = run.executions
        self.rules: tuple[Rule, ...] = run.rules
        self.callbacks: Callbacks = run.callbacks
        self._run = run
        self._alarm = alarm

    @property
    def policy(self) -> Policy:
        return self._run.policy

    def call(self) -> Any:
        """The body's result; of an `async def` a coroutine that ends at the limit."""
        result = limited(self._alarm, self._run.call)
        return _cancelled(self._alarm, result) if inspect.iscoroutine(result) else result


async def _cancelled(alarm: Alarm, body: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; at its limit its task is cancelled."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - the worker runs each in a task of its own

    def cancel() -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing runs any more
            loop.call_soon_threadsafe(task.cancel)  # noqa: F821 - there until it is disarmed

    alarm.arm(cancel)
    try:
        return await body
    except asyncio.CancelledError:
        if not alarm.fired:
            raise
        task.uncancel()
        raise alarm.error() from None
    finally:
        alarm.disarm()
        del task  # it has the error that has this frame: see `execute`


def written_off(alarm: Alarm, adapter: Adapter, clock: Clock, *, not_before: float) -> Outcome:
    """The outcome of a run whose thread did not come back: it failed, under the usual rules.

    Hooks and subscribers are told, in this thread. `not_before` is the least number of seconds
    until a retry, so that the old thread is gone by then.
    """
    error = alarm.error().with_traceback(_traceback(frame_of(alarm.runs_in)))
    outcome = _later(failed(alarm.run, error, clock.time()), not_before + _MARGIN)
    tell_outcome(alarm.run.job, adapter, outcome, monotonic() - alarm.began)
    return outcome


def _later(outcome: Outcome, not_before: float) -> Outcome:
    match outcome:
        case Retried(delay=delay) | Snoozed(delay=delay):
            return replace(outcome, delay=max(delay, not_before))
        case _:
            return outcome


def _traceback(frame: FrameType | None) -> TracebackType | None:
    """The frames of a running thread as the traceback of an error."""
    found: TracebackType | None = None
    while frame is not None:
        found = TracebackType(found, frame, frame.f_lasti, frame.f_lineno or 1)
        frame = frame.f_back
    return found
