"""From job instances into a backend: payload, callbacks, middleware, store, events."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from jobkit import backends, events, middleware, settings
from jobkit.adapter import Enqueues, State
from jobkit.callbacks import surround
from jobkit.clock import SYSTEM, as_datetime
from jobkit.errors import Abort, AdapterError, ConfigurationError, EnqueueError, PayloadTooLarge
from jobkit.jobs.instances import due_at
from jobkit.jobs.options import Seconds, delay_seconds
from jobkit.payload import VERSION, Payload

__all__ = ["payload_of", "put", "store", "store_all", "store_lazily"]

SLICE: Final = 1_000
"""Jobs that go to the store in one call."""


def store(job: Any) -> None:
    """Enqueue one job, callbacks included; afterwards its `successfully_enqueued` says whether."""
    known = job._plan.callbacks
    if not (known.before_enqueue or known.around_enqueue or known.after_enqueue):
        _store_all([job])
    else:
        _store_within_callbacks(job)
    aborted = not job.successfully_enqueued
    if events.subscribed():
        state = State.SCHEDULED if job.scheduled_at else State.ENQUEUED
        events.emit("enqueue", job=job, adapter=adapter_of(job), aborted=aborted, state=state)


def store_all(jobs: Sequence[Any]) -> None:
    """Enqueue many jobs, of any classes, grouped by backend. Runs no enqueue callbacks."""
    _store_all(jobs)
    events.emit("enqueue_bulk", count=len(jobs))


def store_lazily(jobs: Iterable[Any], *, spread: Seconds | None = None) -> int:
    """Enqueue jobs slice by slice as they are made; the number stored.

    Raises EnqueueError, which says how many were stored before it.
    """
    window = None if spread is None else delay_seconds(spread)
    stored = 0
    for batch in _slices(iter(jobs)):
        if window is not None:
            _spread(batch, window)
        try:
            store_all(batch)
        except (EnqueueError, AdapterError) as error:
            error.add_note(f"{stored} jobs of this call were stored before")
            raise
        stored += sum(job.successfully_enqueued for job in batch)
    return stored


def payload_of(job: Any, now: float) -> Payload:
    """The payload of a job that is about to be stored.

    Raises SerializationError when an argument cannot be stored.
    """
    options, given = job._plan.options, job._given
    args, kwargs = job._plan.arguments.dump(*job._arguments)
    due = due_at(given, now)
    lifetime = given.get("expires_in", options.expires_in)
    timeout = given.get("timeout", options.timeout)
    return Payload.of(
        {
            "class": _storable_name(job._plan.name),
            "args": args,
            "kwargs": kwargs or None,
            "jid": job.id,
            "queue": job.queue,
            "priority": job.priority or None,
            "retry": options.policy.retry,
            "created_at": now,
            "enqueued_at": now if due is None else None,
            "scheduled_at": due,
            "expires_at": None if lifetime is None else (due or now) + _seconds(lifetime),
            "timeout": None if timeout is None else _seconds(timeout),
            "tags": list(job.tags) or None,
            "v": VERSION,
        }
    )


def put(adapter: Enqueues, payloads: Sequence[Payload]) -> None:
    """Hand payloads to the adapter. Raises PayloadTooLarge, EnqueueError."""
    limit = adapter.features.max_payload or settings.current().max_payload
    for payload in payloads:
        _check_size(payload, limit)
    try:
        adapter.enqueue(payloads)
    except AdapterError as error:
        raise EnqueueError(f"the job was not stored: {error}") from error


def adapter_of(job: Any) -> Enqueues:
    """The adapter of the backend that the call or the class chose."""
    return backends.get(job._given.get("backend", job._plan.options.backend))


def _store_within_callbacks(job: Any) -> None:
    known = job._plan.callbacks
    payload_of(job, SYSTEM.time())  # what cannot be stored is refused before any callback runs
    try:
        surround(
            job,
            lambda: _store_all([job]),
            before=known.before_enqueue,
            around=known.around_enqueue,
            after=known.after_enqueue,
        )
    except Abort:
        job.successfully_enqueued = False


def _store_all(jobs: Sequence[Any]) -> None:
    now = SYSTEM.time()
    payloads = [_through_middleware(payload_of(job, now)) for job in jobs]
    groups: defaultdict[Enqueues, list[Payload]] = defaultdict(list)
    for job, payload in zip(jobs, payloads, strict=True):
        if payload is not None:
            groups[adapter_of(job)].append(payload)
    for adapter, group in groups.items():
        put(adapter, group)
    for job, payload in zip(jobs, payloads, strict=True):
        _mark(job, payload)


def _through_middleware(payload: Payload) -> Payload | None:
    return middleware.run_enqueue(payload) if middleware.entries() else payload


def _mark(job: Any, payload: Payload | None) -> None:
    job.successfully_enqueued = payload is not None
    if payload is None:
        return
    job._payload = payload
    job.id, job.queue, job.priority = payload.id, payload.queue, payload.priority
    job.created_at = _datetime(payload.created_at)
    job.enqueued_at = _datetime(payload.enqueued_at)
    job.scheduled_at = _datetime(payload.scheduled_at)


def _check_size(payload: Payload, limit: int) -> None:
    # A character is at most four bytes: most payloads need no second look.
    if len(payload.text) * 4 <= limit:
        return
    size = len(payload.text.encode())
    if size > limit:
        raise PayloadTooLarge(
            f"{payload.job_class}: the payload has {size} bytes, the limit is {limit}: pass a key "
            "to the data instead of the data, or raise the setting max_payload"
        )


def _storable_name(name: str) -> str:
    if name.startswith("__main__."):
        raise ConfigurationError(
            f"{name} is defined in an interactive session, where no worker can find it: put it "
            "into a module, or give the class a name of its own (name=…)"
        )
    return name


def _slices(jobs: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(jobs, SLICE)):
        yield batch


def _spread(jobs: Iterable[Any], window: float) -> None:
    for job in jobs:
        job._given = {**job._given, "wait": random.random() * window, "wait_until": None}


def _seconds(duration: Seconds) -> float:
    return delay_seconds(duration)


def _datetime(epoch: float | None) -> Any:
    return None if epoch is None else as_datetime(epoch)
