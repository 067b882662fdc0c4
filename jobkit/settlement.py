"""An outcome to a storage change: the one place where they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, assert_never

from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, Settlement, State, Tally
from jobkit.arguments import REDACTED
from jobkit.failure import packed
from jobkit.outcome import (
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

__all__ = ["settlement_of", "with_failure", "with_retry", "with_snooze"]

_REMEMBERED: Final = 5
_SHORT: Final = 500


def settlement_of(claim: Claim, outcome: Outcome, now: float) -> Settlement:
    """What the store must do with the claim. `now` is wall time in seconds."""
    match outcome:
        case Succeeded() | Discarded():
            return Ack(claim, Tally.PROCESSED)
        case Dropped():
            return Ack(claim, Tally.FAILED)
        case Released():
            return Release(claim)
        case Suspended(head=head, failure=failure):
            return _suspended(claim, failure, head=head)
        case Retried():
            return _retry(claim, outcome, now)
        case Snoozed():
            payload = with_snooze(claim.payload, outcome, now)
            return Requeue(claim, payload, _waiting(State.SCHEDULED, outcome.delay))
        case Buried(failure=failure, counts=counts):
            return Bury(claim, with_failure(claim.payload, failure, counts))
        case _:
            assert_never(outcome)


def with_failure(payload: Payload, failure: Failure, counts: Mapping[str, int]) -> Payload:
    """The payload after a run that failed for good."""
    return _failed(_counted(payload, counts), failure)


def with_retry(payload: Payload, outcome: Retried, now: float) -> Payload:
    """The payload of the run that follows a failed one."""
    payload = _due(_counted(payload, outcome.counts), outcome.delay, now)
    if outcome.failure is not None:
        payload = _failed(payload, outcome.failure)
    changes: dict[str, Any] = {}
    if outcome.queue is not None:
        changes["queue"] = outcome.queue
    if outcome.priority is not None:
        changes["priority"] = outcome.priority or None
    return payload.replace(**changes) if changes else payload


def with_snooze(payload: Payload, outcome: Snoozed, now: float) -> Payload:
    """The payload of the run that a snoozed job asked for."""
    return _due(payload, outcome.delay, now).replace(deliveries=None)


def _retry(claim: Claim, outcome: Retried, now: float) -> Settlement:
    payload = with_retry(claim.payload, outcome, now)
    tally = Tally.PROCESSED if outcome.failure is None else Tally.FAILED
    return Requeue(claim, payload, _waiting(State.RETRY, outcome.delay), tally=tally)


def _suspended(claim: Claim, failure: Failure | None, *, head: bool) -> Settlement:
    """The claim has the text to go on with. A failure is remembered, and counts as no attempt."""
    if failure is None:
        return Requeue(claim, claim.payload, State.ENQUEUED, head=head)
    payload = claim.payload.replace(
        history=_history(claim.payload, _hidden(claim.payload, failure))
    )
    return Requeue(claim, payload, State.ENQUEUED, head=head, tally=Tally.FAILED)


def _waiting(state: State, delay: float) -> State:
    return state if delay > 0 else State.ENQUEUED


def _due(payload: Payload, delay: float, now: float) -> Payload:
    return payload.replace(scheduled_at=now + delay)


def _counted(payload: Payload, counts: Any) -> Payload:
    """One more run, ended in an ordinary way: what its lost workers cost it is forgotten."""
    return payload.replace(
        executions=payload.executions + 1,
        exception_executions=dict(counts) or None,
        deliveries=None,
    )


def _failed(payload: Payload, failure: Failure) -> Payload:
    """With the failure recorded as Sidekiq does, and a short history behind it."""
    before = payload.retry_count
    first = before is None
    failure = _hidden(payload, failure)
    return payload.replace(
        retry_count=0 if before is None else before + 1,
        error_class=failure.error_class,
        error_message=failure.message,
        error_backtrace=packed(failure.backtrace) if failure.backtrace else None,
        history=_history(payload, failure),
        **({"failed_at": failure.at} if first else {"retried_at": failure.at}),
    )


def _hidden(payload: Payload, failure: Failure) -> Failure:
    """The failure as it may be stored: the message may well quote encrypted arguments."""
    return replace(failure, message=REDACTED) if "encrypted" in payload.fields else failure


def _history(payload: Payload, failure: Failure) -> list[dict[str, Any]]:
    """The last few failures, oldest first, so that one can see whether it was always the same."""
    known = payload.fields.get("history")
    entry = {
        "at": failure.at,
        "error_class": failure.error_class,
        "error_message": failure.message[:_SHORT],
    }
    return [*(known if isinstance(known, list) else []), entry][-_REMEMBERED:]
