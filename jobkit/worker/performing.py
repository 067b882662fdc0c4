"""From a claim to its settlement: parse, run, judge, and tell the subscribers."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any, Final

from jobkit import events
from jobkit.adapter import Adapter, Bury, Claim, Settlement
from jobkit.clock import Clock
from jobkit.errors import PayloadError, WorkerLost
from jobkit.execution import Await, buried, execute
from jobkit.failure import failure_of
from jobkit.jobs import run_of
from jobkit.jobs.running import Run
from jobkit.outcome import (
    Buried,
    Discarded,
    Dropped,
    Outcome,
    Released,
    Retried,
    Snoozed,
    Succeeded,
)
from jobkit.settlement import settlement_of

__all__ = ["MOST_DELIVERIES", "Performer"]

MOST_DELIVERIES: Final = 3
"""Worker processes a job may bring down before it is set aside."""

_log = logging.getLogger("jobkit.worker")


class Performer:
    """Performs claims, on any thread. Never raises: what cannot be run is buried or retried."""

    def __init__(self, adapter: Adapter, clock: Clock, wait_for: Await) -> None:
        self._adapter = adapter
        self._clock = clock
        self._wait_for = wait_for

    def perform(self, claim: Claim) -> Settlement:
        """Run the claim's job; what the store must do with it."""
        try:
            run = run_of(claim.payload)
            return self._settled(claim, run)
        except PayloadError as error:
            _log.error("a stored payload is buried as it is: %s", error)
            events.emit("bury", adapter=self._adapter, error=error, reason=str(error))
            return Bury(claim, claim.payload)
        except BaseException as error:  # noqa: BLE001 - a thread must outlive whatever a class does
            return self._unexpected(claim, error)

    def _settled(self, claim: Claim, run: Run) -> Settlement:
        if claim.deliveries >= MOST_DELIVERIES:
            outcome = buried(run, self._lost(claim), self._clock.time())
            self._tell_outcome(run.job, outcome, 0.0)
        elif events.subscribed():
            outcome = self._told(run)
        else:
            outcome = execute(run, clock=self._clock, wait_for=self._wait_for)
        return settlement_of(claim, outcome, self._clock.time())

    def _told(self, run: Run) -> Outcome:
        events.emit("perform_start", job=run.job, adapter=self._adapter)
        began = perf_counter()
        outcome = execute(run, clock=self._clock, wait_for=self._wait_for)
        self._tell_outcome(run.job, outcome, perf_counter() - began)
        return outcome

    def _tell_outcome(self, job: Any, outcome: Outcome, duration: float) -> None:
        name, data = _event_of(outcome)
        if name is not None:
            events.emit(name, job=job, adapter=self._adapter, duration=duration, **data)
        events.emit("perform", job=job, adapter=self._adapter, duration=duration, outcome=outcome)

    def _unexpected(self, claim: Claim, error: BaseException) -> Settlement:
        """Not even the rules could be asked: a class that cannot be made, or an error of ours."""
        _log.error("%s could not be run", claim.payload.job_class, exc_info=error)
        outcome = Buried(failure_of(error, self._clock.time()), {})
        return settlement_of(claim, outcome, self._clock.time())

    @staticmethod
    def _lost(claim: Claim) -> WorkerLost:
        reason = claim.payload.fields.get("error_message") or "its worker was lost"
        return WorkerLost(f"the job's process died {claim.deliveries} times: {reason}")


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
        case Released():
            return "interrupt", {}
