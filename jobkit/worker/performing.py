"""From a claim to its settlement: parse, run, judge, and tell the subscribers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from jobkit import events
from jobkit.adapter import Adapter, Bury, Claim, Settlement
from jobkit.clock import Clock
from jobkit.errors import PayloadError, WorkerLost
from jobkit.execution import Await, buried
from jobkit.failure import failure_of
from jobkit.holding import with_progress
from jobkit.jobs.base import Job
from jobkit.jobs.performing import (
    dropped_unrun,
    outcome_of,
    refused,
    settled,
    tell_outcome,
)
from jobkit.jobs.running import Run, run_of
from jobkit.outcome import SUCCEEDED, Abandoned, Buried, Outcome
from jobkit.settlement import settlement_of
from jobkit.transactions import Completion, Settled
from jobkit.worker.recovery import OVERRUN
from jobkit.worker.timer import Alarm, Timer, over_limit

__all__ = ["MOST_DELIVERIES", "Performer"]

MOST_DELIVERIES: Final = 3
"""Worker processes a job may bring down before it is set aside."""

_log = logging.getLogger("jobkit.worker")


class Performer:
    """Performs claims, on any thread: what cannot be run is buried or retried."""

    def __init__(
        self,
        adapter: Adapter,
        clock: Clock,
        wait_for: Await,
        timer: Timer | None = None,
        isolated: Callable[[Claim, Run], tuple[Claim, Outcome] | None] | None = None,
    ) -> None:
        """Without a `timer` time limits are not kept.

        `isolated` runs a job in a process of its own: the claim as it is to be settled and the
        outcome, None if it is settled already.
        """
        self._isolated = isolated
        self._adapter = adapter
        self._clock = clock
        self._wait_for = wait_for
        self._timer = timer

    def perform(self, claim: Claim) -> Settlement | Settled:
        """Run the claim's job; what the store must do with it, unless it did so already.

        Raises Abandoned when the run was written off meanwhile: this thread has no place any more.
        """
        try:
            run = run_of(claim.payload, Job)
            return self._settled(claim, run)
        except Abandoned:
            raise
        except PayloadError as error:
            _log.error("a stored payload is buried as it is: %s", error)
            events.emit("bury", adapter=self._adapter, error=error, reason=str(error))
            return Bury(claim, claim.payload)
        except BaseException as error:  # noqa: BLE001 - a thread must outlive whatever a class does
            return self._unexpected(claim, error)

    def written_off(self, alarm: Alarm, not_before: float) -> Settlement | Settled:
        """What the store must do with a run that did not end at its limit, nor soon after.

        It is retried no sooner than in so many seconds.
        """
        # Loaded by those who use it.
        from jobkit.worker.timed import written_off  # noqa: PLC0415

        claim, completion = alarm.claim, alarm.run.job._completion
        if completion is not None and completion.committed:
            return Settled(claim)
        try:
            outcome = written_off(alarm, self._adapter, self._clock, not_before=not_before)
            claim = with_progress(claim, alarm.run.job)
            return settled(alarm.run, claim, outcome, self._adapter, self._clock.time())
        except BaseException as error:  # noqa: BLE001 - as above
            return self._unexpected(claim, error)

    def _settled(self, claim: Claim, run: Run) -> Settlement | Settled:
        if (why := refused(claim)) is not None:
            outcome = dropped_unrun(run, why, self._adapter)
        elif claim.deliveries and (ended := self._ended(claim, run)) is not None:
            claim, outcome = ended
        elif run.isolated and self._isolated is not None:
            apart = self._isolated(claim, run)
            if apart is None:
                return Settled(claim)
            claim, outcome = apart
        else:
            completion = Completion(
                self._adapter,
                lambda: settled(run, claim, SUCCEEDED, self._adapter, self._clock.time()),
            )
            run.job._completion = completion
            run.job._claim = claim
            outcome = self._outcome(claim, run)
            if completion.end():
                return Settled(claim)
        claim = with_progress(claim, run.job)
        try:
            return settled(run, claim, outcome, self._adapter, self._clock.time())
        finally:
            del outcome  # see `execute`

    def _ended(self, claim: Claim, run: Run) -> tuple[Claim, Outcome] | None:
        """The outcome of a job that ended with its process, and is not to run for that; told."""
        if OVERRUN in claim.payload.fields:
            # Loaded by those who use it.
            from jobkit.worker.failing import failed  # noqa: PLC0415

            claim = replace(claim, payload=claim.payload.replace(**{OVERRUN: None}))
            outcome = failed(run, over_limit(run.timeout or 0.0), self._clock.time())
        elif claim.deliveries >= MOST_DELIVERIES:
            outcome = buried(run, _lost(claim), self._clock.time())
        else:
            return None
        tell_outcome(run.job, self._adapter, outcome, 0.0)
        return claim, outcome

    def _outcome(self, claim: Claim, run: Run) -> Outcome:
        seconds = run.timeout
        if seconds is None or self._timer is None:
            return outcome_of(run, self._adapter, clock=self._clock, wait_for=self._wait_for)
        # Loaded by those who use it.
        from jobkit.worker.timed import TimedRun  # noqa: PLC0415

        alarm = self._timer.alarm(claim, run, seconds)
        timed = TimedRun(run, alarm)
        outcome = outcome_of(timed, self._adapter, clock=self._clock, wait_for=self._wait_for)
        try:
            if alarm.abandoned:
                raise Abandoned  # once more: the application's middleware swallowed it
            return outcome
        finally:
            del outcome  # see `execute`

    def _unexpected(self, claim: Claim, error: BaseException) -> Settlement:
        """Not even the rules could be asked: a class that cannot be made, or an error of ours."""
        _log.error("%s could not be run", claim.payload.job_class, exc_info=error)
        outcome = Buried(failure_of(error, self._clock.time()), {})
        return settlement_of(claim, outcome, self._clock.time())


def _lost(claim: Claim) -> WorkerLost:
    reason = claim.payload.fields.get("error_message") or "its worker was lost"
    return WorkerLost(f"the job's process died {claim.deliveries} times: {reason}")
