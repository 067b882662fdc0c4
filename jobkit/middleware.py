"""Middleware: the application's own code around every enqueue and every run.

    class Timing(Middleware):
        def perform(self, job, call_next):
            with timer(job.queue):
                return call_next()

    jobkit.middleware.add(Timing())

Also here: the handlers of the whole program, `on_error` and `on_death`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, TypeVar

from jobkit import events
from jobkit.callbacks import called, refuse_async
from jobkit.payload import Payload

__all__ = [
    "Middleware",
    "add",
    "clear",
    "entries",
    "notify",
    "on_death",
    "on_error",
    "remove",
    "report",
    "run_enqueue",
    "run_perform",
    "tell",
]

H = TypeVar("H", bound=Callable[[Any, BaseException], object])
ProcessEvent = Literal["startup", "quiet", "shutdown", "beat"]
FailureEvent = Literal["on_error", "on_death"]

_log = logging.getLogger("jobkit")


class Middleware:
    """Hooks around everything; define the ones you need.

    `enqueue` and `perform` call on by `call_next`; one that does not stops the job: it is not
    stored, or counts as done. `call_next` of `perform` may be given the job, which changes nothing.
    """

    def enqueue(
        self, payload: Payload, call_next: Callable[[Payload], Payload | None]
    ) -> Payload | None:
        """Runs once a job, when it is enqueued; what it returns is stored, None stops it."""
        return call_next(payload)

    def perform(self, job: Any, call_next: Callable[..., Any]) -> Any:
        """Runs around every run, outside the job's own callbacks; returns the run's result."""
        return call_next()

    def startup(self, worker: Any) -> None:
        """A worker process is about to take jobs."""

    def quiet(self, worker: Any) -> None:
        """The worker takes no more jobs."""

    def shutdown(self, worker: Any) -> None:
        """The worker is about to leave."""

    def beat(self, worker: Any) -> None:
        """The worker beat."""

    def on_error(self, job: Any, error: BaseException) -> None:
        """A run failed, whatever follows."""

    def on_death(self, job: Any, error: BaseException) -> None:
        """A job failed for good."""


_HOOKS: Final = tuple(name for name in vars(Middleware) if not name.startswith("_"))
_entries: tuple[Middleware, ...] = ()
_handlers: dict[FailureEvent, list[Callable[[Any, BaseException], object]]] = {
    "on_error": [],
    "on_death": [],
}


def add(
    entry: Middleware,
    *,
    before: type[Middleware] | Middleware | None = None,
    after: type[Middleware] | Middleware | None = None,
) -> None:
    """Add middleware, innermost unless placed `before` or `after` another or another's class.

    Adding the same object or another of its class again replaces the first, where it stood.
    Raises ValueError for a place there is not.
    """
    global _entries  # noqa: PLW0603 - replaced whole, so that runs need no lock
    if not isinstance(entry, Middleware):
        raise TypeError(f"middleware.add takes an instance of a Middleware subclass, not {entry!r}")
    for hook in _HOOKS:
        refuse_async(f"{type(entry).__name__}.{hook}", getattr(entry, hook))
    known = [type(other) for other in _entries]
    if type(entry) in known and before is None and after is None:
        at = known.index(type(entry))
        _entries = (*_entries[:at], entry, *_entries[at + 1 :])
        return
    rest = [other for other in _entries if type(other) is not type(entry)]
    rest.insert(_place(rest, before, after), entry)
    _entries = tuple(rest)


def remove(kind: type[Middleware] | Middleware) -> None:
    """Take the middleware of that class, or that one, out; none there is no error."""
    global _entries  # noqa: PLW0603 - see add
    _entries = tuple(entry for entry in _entries if entry is not kind and type(entry) is not kind)


def clear() -> None:
    """Take all middleware and all program-wide handlers out."""
    global _entries  # noqa: PLW0603 - see add
    _entries = ()
    for registered in _handlers.values():
        registered.clear()


def entries() -> tuple[Middleware, ...]:
    """The middleware, outermost first."""
    return _entries


def on_error(handler: H) -> H:
    """Have `handler(job, error)` called for every run that failed, whatever follows."""
    _handlers["on_error"].append(called("the handler of on_error", handler))
    return handler


def on_death(handler: H) -> H:
    """Have `handler(job, error)` called for every job that failed for good."""
    _handlers["on_death"].append(called("the handler of on_death", handler))
    return handler


def run_enqueue(payload: Payload) -> Payload | None:
    """The payload to store after all middleware, or None when one stopped it."""
    call: Callable[[Payload], Payload | None] = _stored
    for entry in reversed(_entries):
        call = partial(entry.enqueue, call_next=call)
    stored: object = call(payload)
    if stored is None or isinstance(stored, Payload):
        return stored
    raise TypeError(
        f"enqueue middleware returned {ascii(stored)[:200]}: return what call_next returned, "
        "another Payload, or None to stop the job"
    )


def run_perform(job: Any, body: Callable[[], Any]) -> Any:
    """The result of `body` run within all middleware."""
    call = body
    for entry in reversed(_entries):
        call = partial(_perform, entry, job, call)
    return call()


def notify(event: FailureEvent, job: Any, error: BaseException) -> None:
    """Tell every handler of the program; one that raises is reported and the next is told."""
    for handler in (*_handlers[event], *(getattr(entry, event) for entry in _entries)):
        try:
            handler(job, error)
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # noqa: BLE001 - an application's code may raise anything
            report(event, job, failure)


def tell(event: ProcessEvent, worker: Any) -> None:
    """Tell all middleware of a process event; quiet and shutdown from the innermost out."""
    order = reversed(_entries) if event in ("quiet", "shutdown") else _entries
    for entry in order:
        try:
            getattr(entry, event)(worker)
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # noqa: BLE001 - an application's code may raise anything
            report(event, None, failure)


def report(where: str, job: Any, error: BaseException) -> None:
    """An application's hook raised: say so, harm nobody."""
    _log.error("%s raised %s and was passed over", where, type(error).__name__, exc_info=error)
    events.emit("hook_error", job=job, error=error, where=where)


def _perform(entry: Middleware, job: Any, call: Callable[[], Any]) -> Any:
    return entry.perform(job, lambda *_: call())


def _stored(payload: Payload) -> Payload | None:
    return payload


def _place(
    rest: list[Middleware],
    before: type[Middleware] | Middleware | None,
    after: type[Middleware] | Middleware | None,
) -> int:
    if before is not None and after is not None:
        raise ValueError("middleware.add takes before or after, not both")
    anchor = after if before is None else before
    if anchor is None:
        return len(rest)
    kind = anchor if isinstance(anchor, type) else type(anchor)
    at = next((i for i, entry in enumerate(rest) if isinstance(entry, kind)), None)
    if at is None:
        raise ValueError(f"no middleware of class {kind.__name__} was added")
    return at + 1 if before is None else at
