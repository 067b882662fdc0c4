"""One run of a stored job, told to the subscribers: for workers, and for adapters without one."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import perf_counter
from typing import Any

from jobkit import backends, events
from jobkit.adapter import Claim, Enqueues, Settlement
from jobkit.backends import Performed
from jobkit.cancelling import MARK
from jobkit.clock import Clock
from jobkit.errors import DiscardJob, JobCancelled
from jobkit.execution import Await, Runnable, dropped, execute
from jobkit.handlers import Policy
from jobkit.holding import holder, with_progress
from jobkit.jobs import running
from jobkit.jobs.base import Job
from jobkit.jobs.running import Run
from jobkit.outcome import (
    SUCCEEDED,
    Buried,
    Discarded,
    Dropped,
    Failure,
    Outcome,
    Released,
    Retried,
    Snoozed,
    Succeeded,
    Suspended,
)
from jobkit.payload import Payload
from jobkit.results import SupportsResults
from jobkit.settlement import settlement_of

__all__ = [
    "dropped_unrun",
    "outcome_of",
    "perform",
    "refused",
    "run_of",
    "settled",
    "tell_outcome",
]


def run_of(payload: Payload) -> Run:
    """The run of a payload, for a worker. Raises PayloadError when the payload is malformed."""
    return running.run_of(payload, Job)


def perform(claim: Claim, adapter: Enqueues, clock: Clock) -> Performed:
    """Run the claim's job in this thread; what must become of it, and the error if no rule did.

    Raises PayloadError when the payload is malformed.
    """
    known = run_of(claim.payload)
    run = _Watched(known)
    run.job._claim = claim
    why = refused(claim)
    if why is not None:
        unrun = dropped_unrun(run, why, adapter)
        return Performed(settled(known, claim, unrun, adapter, clock.time()))
    outcome = outcome_of(run, adapter, clock=clock, wait_for=_awaited)
    settlement = settled(known, with_progress(claim, run.job), outcome, adapter, clock.time())
    # The policy's `retry_in` may have said DISCARD: that is an answer too.
    return Performed(settlement, None if isinstance(outcome, Discarded) else run.unanswered)


backends.hand(perform)


def settled(run: Run, claim: Claim, outcome: Outcome, adapter: Enqueues, now: float) -> Settlement:
    """What the store must do with the claim; with the result, if the class stores it."""
    settlement = settlement_of(claim, outcome, now)
    if run.store_result is None or not isinstance(adapter, SupportsResults):
        return settlement
    # Loaded for those who use it: importing jobkit must be quick.
    from jobkit.jobs.results import with_result  # noqa: PLC0415

    return with_result(settlement, run, outcome, now)


def outcome_of(run: Runnable, adapter: Enqueues, *, clock: Clock, wait_for: Await) -> Outcome:
    """Execute the run; subscribers hear of its start and of its outcome."""
    if not events.subscribed():
        return execute(run, clock=clock, wait_for=wait_for)
    events.emit("perform_start", job=run.job, adapter=adapter)
    began = perf_counter()
    outcome = execute(run, clock=clock, wait_for=wait_for)
    try:
        tell_outcome(run.job, adapter, outcome, perf_counter() - began)
        return outcome
    finally:
        del outcome  # see `execute`


def refused(claim: Claim) -> DiscardJob | None:
    """Why the claim's job is not run but discarded: over its limit, or cancelled."""
    if claim.full is not None:
        return DiscardJob(f"the limit {claim.full!a} is reached")
    holds = holder.get()
    told = holds is not None and holds.is_cancelled(claim)
    return JobCancelled() if told or claim.payload.text.startswith(MARK) else None  # `is_marked`


def dropped_unrun(run: Runnable, why: DiscardJob, adapter: Enqueues) -> Outcome:
    """The outcome of a claim that is not run: discarded, hooks and subscribers told."""
    outcome = dropped(run, why)
    if isinstance(why, JobCancelled) and "steps" in run.payload.fields:
        # Loaded for those who use it: importing jobkit must be quick.
        from jobkit.steps import tell_cancelled  # noqa: PLC0415

        tell_cancelled(run.job)
    tell_outcome(run.job, adapter, outcome, 0.0)
    return outcome


def tell_outcome(job: Any, adapter: Enqueues, outcome: Outcome, duration: float) -> None:
    """Tell the subscribers how a run of `duration` seconds ended, with the error of a failure."""
    if outcome is not SUCCEEDED:  # as nearly all are, and there is no more to tell of them
        name, data = _event_of(outcome)
        if name is not None:
            failure: Failure | None = getattr(outcome, "failure", None)
            error = None if failure is None else failure.error
            events.emit(name, job=job, adapter=adapter, duration=duration, error=error, **data)
    events.emit_run(job, adapter, duration, outcome)


class _Watched:
    """A run that notices the error its class's policy is asked about.

    The policy is asked, while the error is being handled, when no rule answers for it, or none
    does any more.
    """

    def __init__(self, run: Run) -> None:
        self.job = run.job
        self.payload = run.payload
        self.executions = run.executions
        self.rules = run.rules
        self.callbacks = run.callbacks
        self.call = run.call
        self.unanswered: BaseException | None = None
        self._run = run

    @property
    def policy(self) -> Policy:
        error, steps = sys.exc_info()[1], self.job._steps
        self.unanswered = error if error is None or steps is None else steps.judged(error)
        return self._run.policy


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; beside a running loop it has a thread, and a loop, of its own."""
    import asyncio  # noqa: PLC0415 - heavy, and not needed by all

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1, thread_name_prefix="jobkit-coroutine") as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def _event_of(outcome: Outcome) -> tuple[str | None, dict[str, Any]]:
    """The event that tells more of an outcome than `perform` does, and its data."""
    match outcome:
        case Succeeded(halted=halted):
            return ("halt" if halted else None), {}
        case Retried(delay=delay, failure=failure):
            return "retry_scheduled", {"delay": delay, "failure": failure}
        case Snoozed(delay=delay):
            return "snooze", {"delay": delay}
        case Discarded(reason=reason):
            return "discard", {"reason": reason}
        case Dropped(failure=failure):
            return "discard", {"reason": failure.message, "failure": failure}
        case Buried(failure=failure):
            return "bury", {"reason": failure.message, "failure": failure}
        case Released() | Suspended():
            return "interrupt", {"failure": getattr(outcome, "failure", None)}
