"""Job instances: made for an enqueue, or from a payload for a run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobkit.jobs.options import SetOptions, check_queue, delay_seconds, moment_seconds
from jobkit.jobs.plan import Plan, plan_of
from jobkit.payload import Payload, new_id

__all__ = ["NO_OPTIONS", "due_at", "loaded", "made"]

NO_OPTIONS: Final[SetOptions] = {}

# Names the ids that are derived from idempotency keys, so that equal keys make equal ids.
_KEYS: Final = uuid.UUID("6f0f1c0a-6d3b-5e0e-9a53-6a6f626b6974")


def made(
    job_class: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    given: SetOptions,
    *,
    plan: Plan | None = None,
) -> Any:
    """An instance that is not enqueued. Raises TypeError when `perform` takes no such arguments."""
    plan = plan_of(job_class) if plan is None else plan
    options = plan.options
    plan.arguments.bind(args, kwargs)
    job = job_class()
    job._plan = plan
    job._given = given
    job._arguments = (list(args), dict(kwargs))
    if given:
        job.id = _id(plan.name, given)
        job.tags = (*options.tags, *given.get("tags", ()))
        job.priority = given.get("priority", options.priority)
    else:
        job.id = new_id()
        job.tags = options.tags
        job.priority = options.priority
    job.successfully_enqueued = None
    named = given.get("queue") or options.queue
    job.queue = check_queue(named(job)) if callable(named) else named
    return job


def loaded(job_class: Any, plan: Plan, payload: Payload) -> Any:
    """The instance for the run of a payload. Raises PayloadError when the payload is malformed."""
    payload.check()
    job = job_class()
    job._plan = plan
    job._given = NO_OPTIONS
    job._payload = payload
    job.executions = payload.executions + 1
    job.successfully_enqueued = True
    return job


def due_at(given: SetOptions, now: float) -> float | None:
    """The moment the call asked for, or None when that is now or has passed."""
    wait, until = given.get("wait"), given.get("wait_until")
    if until is not None:
        moment = moment_seconds(until)
    elif wait is not None:
        moment = now + delay_seconds(wait)
    else:
        return None
    return moment if moment > now else None


def _id(name: str, given: SetOptions) -> str:
    key = given.get("idempotency_key")
    return new_id() if key is None else uuid.uuid5(_KEYS, f"{name}\n{key}").hex
