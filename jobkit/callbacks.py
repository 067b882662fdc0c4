"""Callbacks around enqueueing and performing, marked on methods and read once a class.

The order is before, around in, body, around out, after; a base class comes first on the way in
and last on the way out. An around callback is a generator method with one `yield`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

__all__ = [
    "KINDS",
    "Callbacks",
    "after_discard",
    "after_enqueue",
    "after_perform",
    "around_enqueue",
    "around_perform",
    "before_enqueue",
    "before_perform",
    "called",
    "collect",
    "on_cancel",
    "on_complete",
    "on_exhausted",
    "on_resume",
    "on_start",
    "on_stop",
    "refuse_async",
    "surround",
]

M = TypeVar("M", bound=Callable[..., Any])
T = TypeVar("T")

_MARK: Final = "__jobkit_callbacks__"


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The names of a class's callback methods, by kind, base class first."""

    before_enqueue: tuple[str, ...] = ()
    around_enqueue: tuple[str, ...] = ()
    after_enqueue: tuple[str, ...] = ()
    before_perform: tuple[str, ...] = ()
    around_perform: tuple[str, ...] = ()
    after_perform: tuple[str, ...] = ()
    after_discard: tuple[str, ...] = ()
    on_exhausted: tuple[str, ...] = ()
    on_start: tuple[str, ...] = ()
    on_resume: tuple[str, ...] = ()
    on_stop: tuple[str, ...] = ()
    on_cancel: tuple[str, ...] = ()
    on_complete: tuple[str, ...] = ()


KINDS: Final = tuple(Callbacks.__dataclass_fields__)


def _marker(kind: str, promise: str) -> Callable[[M], M]:
    def mark(method: M) -> M:
        if not hasattr(method, "__get__"):  # a function has it, and what stands for one
            raise TypeError(f"{kind} goes over a method, not over {ascii(method)[:200]}")
        setattr(method, _MARK, (*getattr(method, _MARK, ()), kind))
        return method

    mark.__name__ = mark.__qualname__ = kind
    mark.__doc__ = promise
    return mark


before_enqueue = _marker("before_enqueue", "Over a method: runs before the job is stored.")
around_enqueue = _marker("around_enqueue", "Over a generator method: around the storing.")
after_enqueue = _marker("after_enqueue", "Over a method: runs after the job was stored.")
before_perform = _marker("before_perform", "Over a method: runs before `perform`.")
around_perform = _marker("around_perform", "Over a generator method: around `perform`.")
after_perform = _marker("after_perform", "Over a method: runs after `perform` returned.")
after_discard = _marker(
    "after_discard",
    "Over a method `(self, error)`: runs once when the job ended for good, unsuccessful.",
)
on_exhausted = _marker(
    "on_exhausted",
    "Over a method `(self, error)`: no attempts are left; DISCARD skips the dead set.",
)

on_start = _marker("on_start", "Over a method: runs before the first step of a job's first run.")
on_resume = _marker(
    "on_resume", "Over a method: runs before the first step of a run that goes on with the steps."
)
on_stop = _marker("on_stop", "Over a method: runs when a run of steps has ended, in whatever way.")
on_cancel = _marker(
    "on_cancel", "Over a method: runs, behind `on_stop`, when a job with steps was cancelled."
)
on_complete = _marker(
    "on_complete",
    "Over a method: runs last, when the steps are over: all done, or the job cancelled.",
)


def refuse_async(where: str, hook: T) -> T:
    """The hook itself. Raises TypeError for a coroutine function, which nobody would await.

    Only `perform` may be one.
    """
    if not isinstance(hook, type) and any(
        inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each)
        for each in (hook, getattr(hook, "__call__", None))  # noqa: B004 - of any callable
    ):
        raise TypeError(
            f"{where} is an async function, which nobody would await: write it with `def`, and "
            "await in an `async def perform`"
        )
    return hook


def called(where: str, hook: T) -> T:
    """The hook itself. Raises TypeError for what cannot be called, and as `refuse_async` does."""
    if not callable(hook):
        raise TypeError(f"{where} is {ascii(hook)[:200]}: give a function")
    return refuse_async(where, hook)


def collect(cls: type) -> Callbacks:
    """The callbacks of the class and its bases; a method overridden by name counts once."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            for kind in getattr(member, _MARK, ()):
                if name not in found[kind]:
                    found[kind].append(name)
    return Callbacks(**{kind: tuple(names) for kind, names in found.items()})


def surround(
    job: object,
    body: Callable[[], T],
    *,
    before: tuple[str, ...],
    around: tuple[str, ...],
    after: tuple[str, ...],
) -> T | None:
    """What `body` returned within the callbacks, or None when it raised and one caught that.

    The `after` callbacks run only when it returned. Raises Abort when a callback did.
    """
    for name in before:
        _call(job, name)
    returned: list[T] = []
    with ExitStack() as stack:
        for name in around:
            stack.enter_context(_around(job, name))
        returned.append(body())
    if not returned:
        return None
    for name in reversed(after):
        _call(job, name)
    return returned[0]


def _call(job: object, name: str) -> None:
    answer = getattr(job, name)()
    if inspect.iscoroutine(answer):  # of a plain function around an async one
        answer.close()
        raise TypeError(f"the callback {name!r} returned a coroutine, which nobody would await")


def _around(job: object, name: str) -> AbstractContextManager[None]:
    steps = getattr(job, name)()
    if not isinstance(steps, Generator):
        raise TypeError(f"the around callback {name!r} must be a generator method with one yield")
    return contextmanager(lambda: steps)()
