"""From job instances into a backend: payload, callbacks, middleware, store, events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

from jobkit import (
    backends,
    events,
    middleware,
    propagation,
    settings,
    transactions,
)
from jobkit.adapter import Enqueues, State
from jobkit.alike import Alike
from jobkit.callbacks import surround
from jobkit.capabilities import SupportsLimits, SupportsUnique, require
from jobkit.clock import SYSTEM
from jobkit.errors import (
    Abort,
    AdapterError,
    ConfigurationError,
    EnqueueError,
    PayloadTooLarge,
    Unsupported,
)
from jobkit.jobs.instances import due_at
from jobkit.jobs.joining import current_block
from jobkit.jobs.told import TOLD
from jobkit.jobs.writing import payload_of
from jobkit.payload import MARK, Payload
from jobkit.results import SupportsResults
from jobkit.transactions import Scope

__all__ = [
    "accepted",
    "adapter_of",
    "callback_payload",
    "is_intercepted",
    "mark",
    "mark_lost",
    "put",
    "put_alike",
    "require_limits",
    "require_results",
    "require_unique",
    "store",
    "store_all",
    "store_many",
]

LIMITED: Final = '"limits"'
"""What the text of a job under a limit has."""


def store(job: Any) -> None:
    """Enqueue one job, callbacks included; afterwards its `successfully_enqueued` says whether.

    None there: it is kept for a commit, see `enqueue_in`.
    """
    scope = transactions.current() if current_block() is None else None  # `_scope`
    if scope is not None and _waits(scope, job):
        _keep(scope, [_frozen(job)], lambda: _store(job))
    else:
        _store(job)


def _store(job: Any) -> None:
    known = job._plan.callbacks
    if not (known.before_enqueue or known.around_enqueue or known.after_enqueue):
        _store_one(job)
    else:
        _store_within_callbacks(job)
    if job.successfully_enqueued is None:
        return  # the block of a batch has it, and stores it
    aborted = not job.successfully_enqueued
    if events.subscribed():
        state = State.SCHEDULED if job.scheduled_at else State.ENQUEUED
        events.emit("enqueue", job=job, adapter=adapter_of(job), aborted=aborted, state=state)


def store_all(jobs: Sequence[Any]) -> None:
    """Enqueue many jobs, of any classes, grouped by backend. Runs no enqueue callbacks.

    Those that must wait for a commit do, see `enqueue_in`.
    """
    store_many(jobs, propagation.captured())


def store_many(jobs: Sequence[Any], context: Mapping[str, Any]) -> None:
    """The same, with what travels with them."""
    scope = _scope()
    if scope is None:
        _store_bulk(jobs, context)
        return
    now: list[Any] = []
    waiting: list[Any] = []
    for job in jobs:
        (waiting if _waits(scope, job) else now).append(job)
    frozen = [_frozen(job) for job in waiting]
    if now or not waiting:
        _store_bulk(now, context)
    if waiting:
        _keep(scope, frozen, lambda: _store_bulk(frozen, context))


def is_intercepted() -> bool:
    """True when a job enqueued now goes elsewhere than straight into its store, or as another."""
    return bool(middleware.entries()) or _scope() is not None or current_block() is not None


def _scope() -> Scope | None:
    """The transaction that decides about a job now; inside the block of a batch that does."""
    return transactions.current() if current_block() is None else None


def callback_payload(
    job: Any, adapter: Enqueues, batch: str, event: str, parent: str | None
) -> Payload | None:
    """The payload of a job that a batch enqueues when it says so; None when middleware stopped it.

    It is a member of its batch's parent. It comes once, so that no lock is needed, and its time to
    expire would have begun before it.
    """
    written = payload_of(job, backends.now(adapter))
    payload = middleware.run_enqueue(written) if middleware.entries() else written
    if payload is None:
        return None
    _check(adapter, [payload])
    return payload.replace(
        bid=parent,
        callback={"batch": batch, "event": event},
        enqueued_at=None,
        expires_at=None,
        unique=None,
    )


def put(adapter: Enqueues, payloads: Sequence[Payload]) -> Sequence[str | None]:
    """Hand payloads to the adapter; for each the id of the job it lost to, None if it is stored.

    Raises PayloadTooLarge, EnqueueError, ConfigurationError for a class no worker could find.
    """
    return _put(adapter, payloads, unique=_check(adapter, payloads))


def put_alike(adapter: Enqueues, name: str, payloads: Alike) -> None:
    """`put` for jobs of one plain class, of that name, which are neither unique nor limited."""
    _check_name(name)
    limit = adapter.features.max_payload or settings.current().max_payload
    if max(map(len, payloads.texts)) * 4 > limit:
        for payload in payloads:
            _check_size(payload, payload.text, limit)
    _put(adapter, payloads, unique=False)


def require_unique(adapter: Enqueues, name: str) -> SupportsUnique:
    """The adapter as one that can hold unique jobs. Raises Unsupported."""
    if isinstance(adapter, SupportsUnique):
        return adapter
    raise Unsupported(
        f"{name} is unique, which {type(adapter).__name__} does not support: choose another store "
        "for it (backend=...), or enqueue it with set(unique=None)"
    )


def _put(adapter: Enqueues, payloads: Sequence[Payload], *, unique: bool) -> Sequence[str | None]:
    scope = transactions.current()
    try:
        if unique:
            store = require_unique(adapter, payloads[0].job_class)
            through = None if scope is None else scope.connection_to(adapter)
            return store.enqueue_unique(payloads, through=through)
        if scope is None or not scope.enqueue(adapter, payloads):
            adapter.enqueue(payloads)
    except AdapterError as error:
        raise EnqueueError(f"the job was not stored: {error}") from error
    return [None] * len(payloads)


def adapter_of(job: Any) -> Enqueues:
    """The adapter of the backend that the call or the class chose."""
    return backends.get(_backend_of(job))


def _backend_of(job: Any) -> str:
    backend: str = job._given.get("backend", job._plan.options.backend)
    return backend


def _waits(scope: Scope, job: Any) -> bool:
    """True when the job is sent after the commit, not inserted through the transaction."""
    shares = scope.shares(adapter_of(job))  # asked first: it also refuses to block an event loop
    return not shares or job._plan.options.after_commit


def _frozen(job: Any) -> Any:
    """The job as it was asked for now, whatever the commit takes; refused now, if it must be."""
    adapter = adapter_of(job)
    now = backends.now(adapter)
    job._dumped = deepcopy(job._plan.arguments.dump(*job._arguments))
    _check(adapter, [payload_of(job, now)])
    if (due := due_at(job._given, now)) is not None:
        job._given = {**job._given, "wait": None, "wait_until": due}
    return job


def _keep(scope: Scope, jobs: Sequence[Any], store: Callable[[], None]) -> None:
    """Have them stored after the commit, or not at all."""

    def refused() -> None:
        for job in jobs:
            job.successfully_enqueued = False

    def send() -> None:
        refused()  # until it is stored: a callback of the application may raise
        store()

    scope.keep(send, dropped=refused, jobs=len(jobs))


def _store_within_callbacks(job: Any) -> None:
    known = job._plan.callbacks
    job.successfully_enqueued = False  # until it is stored, or the block of a batch has it
    payload_of(job, SYSTEM.time())  # what cannot be stored is refused before any callback runs
    with suppress(Abort):  # after the storing it only stops the callbacks that follow
        surround(
            job,
            lambda: _store_or_abort(job),
            before=known.before_enqueue,
            around=known.around_enqueue,
            after=known.after_enqueue,
        )


def _store_or_abort(job: Any) -> None:
    """Store it within its callbacks: of one that lost to another nothing is to be told."""
    _store_one(job)
    if job.duplicate_of is not None:
        raise Abort


def _store_one(job: Any) -> None:
    """`_store_all` of a single one, which needs no sorting."""
    adapter = backends.get(_backend_of(job))
    payload = _written(job, adapter, backends.now(adapter))
    if payload is None:
        return
    unique = _check(adapter, (payload,))
    if (block := current_block()) is not None:
        block.take(adapter, [(job, payload)])
        return
    (winner,) = _put(adapter, [payload], unique=unique)
    if winner is None:
        mark(job, payload)
    else:
        mark_lost(job, adapter, winner)


def _store_bulk(jobs: Sequence[Any], context: Mapping[str, Any]) -> None:
    _store_all(jobs, context)
    if current_block() is None:
        events.emit("enqueue_bulk", count=accepted(jobs))


def _store_all(jobs: Sequence[Any], context: Mapping[str, Any] | None = None) -> None:
    checked = [  # all of them before one is stored
        (adapter, group, _check(adapter, [payload for _, payload in group]))
        for adapter, group in _by_adapter(jobs, context).items()
        if group
    ]
    if (block := current_block()) is not None:
        for adapter, group, _ in checked:
            block.take(adapter, group)
        return
    for adapter, group, unique in checked:
        winners = _put(adapter, [payload for _, payload in group], unique=unique)
        for (job, payload), winner in zip(group, winners, strict=True):
            if winner is None:
                mark(job, payload)
            else:
                mark_lost(job, adapter, winner)


def _by_adapter(
    jobs: Sequence[Any], context: Mapping[str, Any] | None
) -> Mapping[Enqueues, list[tuple[Any, Payload]]]:
    """The jobs that middleware lets through, with their payloads; one moment for all of a store."""
    names = [_backend_of(job) for job in jobs]
    adapters = {name: backends.get(name) for name in dict.fromkeys(names)}
    moments = {adapter: backends.now(adapter) for adapter in adapters.values()}
    groups: dict[Enqueues, list[tuple[Any, Payload]]] = {adapter: [] for adapter in moments}
    for job, name in zip(jobs, names, strict=True):
        adapter = adapters[name]
        payload = _written(job, adapter, moments[adapter], context)
        if payload is not None:
            groups[adapter].append((job, payload))
    return groups


def _written(
    job: Any, adapter: Enqueues, now: float, context: Mapping[str, Any] | None = None
) -> Payload | None:
    """The payload of a job that is not stored yet; None when middleware stopped it."""
    if job._plan.options.store_result is not None:
        require_results(adapter, job._plan.name)
    written = payload_of(job, now, context)
    payload = middleware.run_enqueue(written) if middleware.entries() else written
    job.successfully_enqueued = False
    return payload


def accepted(jobs: Iterable[Any]) -> int:
    """How many were not stopped: stored, or kept for a commit."""
    return sum(job.successfully_enqueued is not False for job in jobs)


def mark_lost(job: Any, adapter: Enqueues, winner: str) -> None:
    """The job is not stored, as an equal one is."""
    job.duplicate_of = winner
    events.emit("duplicate", job=job, adapter=adapter, winner=winner)


def mark(job: Any, payload: Payload) -> None:
    """The job is stored, as this payload."""
    job.successfully_enqueued = True
    job._payload = payload
    if middleware.entries():  # what was stored counts, and they may have changed it
        for name in TOLD:
            job.__dict__.pop(name, None)


def _check(adapter: Enqueues, payloads: Iterable[Payload]) -> bool:
    """Raise what must be raised before anything is stored; whether one of them is unique."""
    unique = False
    limit = adapter.features.max_payload or settings.current().max_payload
    for payload in payloads:
        text = payload.text
        if '"__main__.' in text:
            _check_name(payload.job_class)
        if len(text) * 4 > limit:  # a character is at most four bytes
            _check_size(payload, text, limit)
        if LIMITED in text and "limits" in payload.fields:
            require_limits(adapter, payload.job_class)
        if MARK in text and _is_unique(payload):
            require_unique(adapter, payload.job_class)
            unique = True
    return unique


def require_limits(adapter: Enqueues, name: str) -> SupportsLimits:
    """The adapter as one that keeps limits. Raises Unsupported, naming it and the job."""
    return require(adapter, SupportsLimits, f"limits, which {name} is under")  # type: ignore[type-abstract]


def require_results(adapter: Enqueues, name: str) -> SupportsResults:
    """The adapter as one that keeps results. Raises Unsupported, naming it and the job."""
    return require(adapter, SupportsResults, f"results, which {name} stores")  # type: ignore[type-abstract]


def _is_unique(payload: Payload) -> bool:
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.locks import Lock  # noqa: PLC0415

    return Lock.of(payload) is not None


def _check_size(payload: Payload, text: str, limit: int) -> None:
    size = len(text.encode())
    if size > limit:
        raise PayloadTooLarge(
            f"{payload.job_class}: the payload has {size} bytes, the limit is {limit}: pass a key "
            "to the data instead of the data, or raise the setting max_payload"
        )


def _check_name(name: str) -> None:
    if name.startswith("__main__."):
        raise ConfigurationError(
            f"{name} is defined in an interactive session, where no worker can find it: put it "
            "into a module, or give the class a name of its own (name=...)"
        )
