"""From an entry to the payload of one of its ticks."""

from __future__ import annotations

import uuid
from typing import Any, Final

from jobkit import middleware
from jobkit.entries.entry import Entry
from jobkit.errors import UnknownJob
from jobkit.jobs import Job, registry
from jobkit.jobs.enqueueing import payload_of
from jobkit.jobs.instances import made
from jobkit.jobs.options import SetOptions
from jobkit.jobs.plan import plan_of
from jobkit.payload import VERSION, Payload, new_id

__all__ = ["class_named", "envelope_of", "payload_for", "tick_id"]

_TICKS: Final = uuid.UUID("f0a9bd9e-6f50-5b0c-8a5e-6a6f626b6974")


def class_named(name: str) -> type[Job] | None:
    """The registered class of that name, None when this process does not know it."""
    try:
        found: type[Job] = registry.lookup(name)
    except UnknownJob:
        return None
    return found


def envelope_of(job_class: type[Job]) -> dict[str, Any]:
    """What a payload says of the class, for those who enqueue it without knowing the class."""
    options = plan_of(job_class).options
    fields = {
        "queue": None if callable(options.queue) else options.queue,
        "priority": options.priority or None,
        "retry": options.policy.retry,
        "timeout": options.timeout,
        "tags": list(options.tags) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def payload_for(entry: Entry, at: float | None, now: float) -> Payload | None:
    """The payload of the tick `at`, or of a run out of turn; None when middleware stopped it.

    Raises UnknownJob when neither this process nor the entry tells the queue, and what an enqueue
    raises when the arguments do not fit.
    """
    job_class = class_named(entry.job)
    payload = _by_name(entry, now) if job_class is None else _by_class(entry, job_class, now)
    if at is not None:
        payload = payload.replace(jid=tick_id(entry.name, at))
    return middleware.run_enqueue(payload) if middleware.entries() else payload


def tick_id(name: str, at: float) -> str:
    """The id of the job of a tick: the same wherever it is enqueued."""
    return uuid.uuid5(_TICKS, f"{name}\n{at!r}").hex


def _by_class(entry: Entry, job_class: type[Job], now: float) -> Payload:
    args, kwargs = plan_of(job_class).arguments.load(entry.args, entry.kwargs)
    given: SetOptions = {} if entry.queue is None else {"queue": entry.queue}
    return payload_of(made(job_class, args, kwargs, given), now)


def _by_name(entry: Entry, now: float) -> Payload:
    queue = entry.queue or entry.envelope.get("queue")
    if queue is None:
        raise UnknownJob(
            f"no job is registered as {entry.job!a}: import the module that defines it, or give "
            f"the entry {entry.name!a} a queue"
        )
    fields = {
        **entry.envelope,
        "class": entry.job,
        "args": list(entry.args),
        "kwargs": entry.kwargs or None,
        "jid": new_id(),
        "queue": queue,
        "created_at": now,
        "enqueued_at": now,
        "v": VERSION,
    }
    return Payload.of(fields)
