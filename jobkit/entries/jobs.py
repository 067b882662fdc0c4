"""From an entry to the payload of one of its ticks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobkit import middleware
from jobkit.entries.entry import Entry
from jobkit.errors import UnknownJob
from jobkit.jobs import Job, registry
from jobkit.jobs.instances import made
from jobkit.jobs.options import SetOptions
from jobkit.jobs.plan import plan_of
from jobkit.jobs.writing import payload_of
from jobkit.payload import VERSION, Payload, new_id

__all__ = ["as_payload", "class_named", "envelope_of", "payload_for", "tick_id"]

_TICKS: Final = uuid.UUID("f0a9bd9e-6f50-5b0c-8a5e-6a6f626b6974")


def class_named(name: str) -> type[Job] | None:
    """The registered class of that name, None when this process does not know it."""
    try:
        found: type[Job] = registry.lookup(name)
    except UnknownJob:
        return None
    return found


def envelope_of(
    job_class: type[Job], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """What a payload says of the class, for those who enqueue it without knowing the class.

    Raises ValueError for arguments that the class has encrypted: an entry keeps them readable.
    """
    plan = plan_of(job_class)
    options = plan.options
    if options.encrypt and (args or kwargs):
        raise ValueError(
            f"{plan.name} encrypts its arguments, and a recurring entry keeps them readable:"
            " give none here and have perform look up what it needs"
        )
    fields = {
        "queue": None if callable(options.queue) else options.queue,
        "priority": options.priority or None,
        "retry": options.policy.retry,
        "timeout": options.timeout,
        "tags": list(options.tags) or None,
        "limits": _limits(job_class, args, kwargs) if options.limits else None,
        "version": options.version if options.version > 1 else None,
        "redact": plan.arguments.hidden(len(args), kwargs) or None,
        "unique": _lock_fields(job_class, args, kwargs),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _limits(job_class: type[Job], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.jobs.limits import limit_fields  # noqa: PLC0415

    plan = plan_of(job_class)
    job = made(job_class, *plan.arguments.load(args, kwargs), {})
    return limit_fields(job, plan.options.limits)


def _lock_fields(
    job_class: type[Job], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    plan = plan_of(job_class)
    if plan.options.unique is None:
        return None
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.jobs.unique import lock_of  # noqa: PLC0415

    job = made(job_class, *plan.arguments.load(args, kwargs), {})
    lock = lock_of(job, plan.options.unique)
    return None if lock is None else lock.fields


def payload_for(entry: Entry, at: float | None, now: float) -> Payload | None:
    """The payload of the tick `at`, or of a run out of turn; None when middleware stopped it.

    Raises UnknownJob when neither this process nor the entry tells the queue, and what an enqueue
    raises when the arguments do not fit.
    """
    job_class = class_named(entry.job)
    job_id = new_id() if at is None else tick_id(entry.name, at)
    if job_class is None:
        payload = _by_name(entry, job_id, now)
    else:
        payload = _by_class(entry, job_class, job_id, now)
    return middleware.run_enqueue(payload) if middleware.entries() else payload


def as_payload(entry: Entry, **fields: Any) -> Payload:
    """What the entry itself says of its job, and these fields."""
    args, kwargs = list(entry.args), entry.kwargs or None
    return Payload.of(
        {**entry.envelope, "class": entry.job, "args": args, "kwargs": kwargs, **fields}
    )


def tick_id(name: str, at: float) -> str:
    """The id of the job of a tick: the same wherever it is enqueued."""
    return uuid.uuid5(_TICKS, f"{name}\n{at!r}").hex


def _by_class(entry: Entry, job_class: type[Job], job_id: str, now: float) -> Payload:
    args, kwargs = plan_of(job_class).arguments.load(entry.args, entry.kwargs)
    given: SetOptions = {} if entry.queue is None else {"queue": entry.queue}
    job = made(job_class, args, kwargs, given)
    job.id = job_id
    return payload_of(job, now)


def _by_name(entry: Entry, job_id: str, now: float) -> Payload:
    queue = entry.queue or entry.envelope.get("queue")
    if queue is None:
        raise UnknownJob(
            f"no job is registered as {entry.job!a}: import the module that defines it, or give "
            f"the entry {entry.name!a} a queue"
        )
    return as_payload(entry, jid=job_id, queue=queue, created_at=now, enqueued_at=now, v=VERSION)
