"""Named events: what happens to jobs, for logs, metrics and traces.

`subscribe(callable)` gets every event; a subscriber that raises is logged and harms nobody.
`NAMES` is the one list of the events there are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["NAMES", "Event", "emit", "emit_run", "subscribe", "subscribed", "unsubscribe"]

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enqueue": "a job was stored, or its enqueue was aborted (data: aborted, state)",
        "enqueue_bulk": "a slice of jobs was stored (data: count)",
        "duplicate": "a unique job was not stored, an equal one is (data: winner)",
        "perform_start": "a run began",
        "perform": "a run ended, whatever its outcome (data: outcome)",
        "halt": "a before_perform callback aborted the run; the job counts as done",
        "retry_scheduled": "a failed job will run again (data: delay, failure)",
        "retry_stopped": "a job has no attempts left",
        "snooze": "a job asked to run later without using an attempt (data: delay)",
        "discard": "a job was dropped for good and is not kept (data: reason, failure)",
        "bury": "a job went to the dead set (data: reason, failure)",
        "interrupt": "a run ended early, the job goes on in another (data: failure)",
        "tick": "a recurring job was enqueued (data: entry, at, id)",
        "claim_lost": "an outcome came too late, the job belongs to another worker (data: claim)",
        "hook_error": "a hook, handler or middleware of the application raised (data: where)",
        "worker_start": "a worker registered (data: worker)",
        "worker_quiet": "a worker takes no more jobs (data: worker)",
        "worker_stop": "a worker left (data: worker, returned)",
        "worker_lost": "a worker was declared dead, its jobs were recovered (data: worker, jobs)",
        "store_error": "the store failed and the worker waits for it (data: part, wait)",
        "store_back": "the store answers again (data: part)",
    }
)

_log = logging.getLogger("jobkit.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `job` is a job instance, `adapter` its backend's adapter."""

    name: str
    job: Any = None
    adapter: Any = None
    duration: float | None = None
    error: BaseException | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


_name, _job, _adapter, _duration, _error, _data = (
    Event.__dict__[each.name].__set__ for each in fields(Event)
)

Subscriber = Callable[[Event], object]
S = TypeVar("S", bound=Subscriber)


Counter = Callable[[Any, Any, float], object]
"""Takes a job, the outcome of its run, and the seconds that took."""


class _Listener(NamedTuple):
    tell: Subscriber
    names: frozenset[str] | None
    runs: Counter | None


_subscribers: tuple[_Listener, ...] = ()


def subscribe(
    subscriber: S, *, names: Collection[str] | None = None, runs: Counter | None = None
) -> S:
    """Have `subscriber` called with every event, in the thread where it happens.

    With `names` only with those: an event that nobody is to hear is not even made. `runs` is told
    of runs that end in place of `perform`, by job, outcome and seconds: without an event to make,
    which costs more than to count.
    """
    global _subscribers  # noqa: PLW0603 - replaced whole, so that emit needs no lock
    if not callable(subscriber):
        raise TypeError(f"the subscriber is {ascii(subscriber)[:200]}: give a function of an event")
    if unknown := set(names or ()) - NAMES.keys():
        raise ValueError(f"there is no event {min(unknown)!a}: jobkit.events.NAMES lists them")
    listener = _Listener(subscriber, None if names is None else frozenset(names), runs)
    others = tuple(known for known in _subscribers if known.tell != subscriber)
    _subscribers = (*others, listener)
    return subscriber


def unsubscribe(subscriber: Subscriber) -> None:
    """Take `subscriber` off again; unknown ones are ignored."""
    global _subscribers  # noqa: PLW0603 - see subscribe
    _subscribers = tuple(known for known in _subscribers if known.tell != subscriber)


def subscribed() -> bool:
    """True when anybody listens: the hot path asks before it builds an event."""
    return bool(_subscribers)


def emit(
    name: str,
    *,
    job: Any = None,
    adapter: Any = None,
    duration: float | None = None,
    error: BaseException | None = None,
    **data: Any,
) -> None:
    """Tell every subscriber that wants it. Costs one comparison when there is none."""
    event: Event | None = None
    for tell, names, _ in _subscribers:
        if names is not None and name not in names:
            continue
        if event is None:
            event = _made(name, job, adapter, duration, error, data)
        _tell(tell, event)


def emit_run(job: Any, adapter: Any, duration: float, outcome: Any) -> None:
    """Tell every subscriber of a run that ended: `perform`, the event that comes most."""
    event: Event | None = None
    for tell, names, runs in _subscribers:
        if runs is not None:
            try:
                runs(job, outcome, duration)
            except Exception:  # noqa: BLE001 - an application's code may raise anything
                _log.exception("an event subscriber failed on 'perform'")
        elif names is None or "perform" in names:
            if event is None:
                error = getattr(getattr(outcome, "failure", None), "error", None)
                event = _made("perform", job, adapter, duration, error, {"outcome": outcome})
            _tell(tell, event)


def _tell(subscriber: Subscriber, event: Event) -> None:
    try:
        subscriber(event)
    except Exception:  # noqa: BLE001 - an application's code may raise anything
        _log.exception("an event subscriber failed on %r", event.name)


def _made(  # noqa: PLR0917 - an event's fields, in their order
    name: str,
    job: Any,
    adapter: Any,
    duration: float | None,
    error: BaseException | None,
    data: Mapping[str, Any],
) -> Event:
    """As Event(...) does, in two fifths of the time: whoever listens hears of each run."""
    event: Event = object.__new__(Event)
    _name(event, name)
    _job(event, job)
    _adapter(event, adapter)
    _duration(event, duration)
    _error(event, error)
    _data(event, data)
    return event
