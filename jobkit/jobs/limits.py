"""`Concurrency` and `Rate`: how many jobs with one key may run, over the whole fleet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from jobkit.backoff import LONGEST
from jobkit.callbacks import refuse_async
from jobkit.clock import as_seconds
from jobkit.limits import Limit, fields_of

__all__ = ["AnyLimit", "Concurrency", "Key", "Rate", "check_limits", "limit_fields"]

Key: TypeAlias = "str | Callable[[Any], str | int | None] | None"
"""A text, or a callable of the job that gives one, or None for a job that is under no limit.

Without a key it is the class's name.
"""
_Conflict = Literal["block", "discard"]

_LONGEST_KEY: Final = 255
_MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most `to` jobs with this key run at once, whatever their class, queue or worker.

        class Sync(Job, limits=[Concurrency(key=lambda job: f"account:{job.args[0]}", to=2)]): ...

    A job that comes to its turn while they run waits aside (state `blocked`) and goes on by its
    priority and age as soon as one of them has ended; with `on_conflict="discard"` it is dropped.
    """

    key: Key = None
    to: int = 1
    on_conflict: _Conflict = "block"

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot be."""
        _check(self.key, self.to, self.on_conflict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `to` jobs with this key are started within any `per`, a timedelta or seconds.

        class Call(Job, limits=[Rate(key="api", to=100, per=timedelta(minutes=1))]): ...

    A start is counted when a worker takes the job up. What is over it waits aside, or is dropped,
    as with `Concurrency`.
    """

    key: Key = None
    to: int = 1
    per: timedelta | float
    on_conflict: _Conflict = "block"
    seconds: float = field(init=False, repr=False)
    """`per` in seconds."""

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot be."""
        _check(self.key, self.to, self.on_conflict)
        if isinstance(self.per, bool) or not isinstance(self.per, (int, float, timedelta)):
            raise TypeError(f"per is {ascii(self.per)[:200]}: give seconds or a timedelta")
        seconds = float(as_seconds(self.per))
        if not 0 < seconds <= LONGEST:
            raise ValueError(f"per is {self.per!r}: give more than 0 seconds, at most 10 years")
        object.__setattr__(self, "seconds", seconds)


AnyLimit: TypeAlias = Concurrency | Rate


def check_limits(limits: object) -> tuple[AnyLimit, ...]:
    """The option `limits`. Raises TypeError for what is no collection of limits."""
    if isinstance(limits, (str, Concurrency, Rate)) or not isinstance(limits, Collection):
        raise TypeError(f"limits is {ascii(limits)[:200]}: give a list of Concurrency and Rate")
    for limit in limits:
        if not isinstance(limit, (Concurrency, Rate)):
            raise TypeError(f"limits: {ascii(limit)[:200]} is neither a Concurrency nor a Rate")
    return tuple(limits)


def limit_fields(job: Any, limits: Collection[AnyLimit]) -> list[dict[str, Any]] | None:
    """The limits that the job is under, as its payload tells them; None when there are none.

    Raises TypeError or ValueError for a key that is none.
    """
    found = [(limit, _key(job, limit.key)) for limit in limits]
    return fields_of(_limit(limit, key) for limit, key in found if key is not None)


def _limit(limit: AnyLimit, key: str) -> Limit:
    per = limit.seconds if isinstance(limit, Rate) else None
    return Limit(key, limit.to, per, discard=limit.on_conflict == "discard")


def _key(job: Any, key: Key) -> str | None:
    if key is None:
        name: str = job._plan.name
        return name
    if not callable(key):
        return key
    found = key(job)
    if found is None:
        return None
    return _checked_key(str(found) if type(found) is int else found)


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(
            f"the key of a limit is {ascii(key)[:200]}: give text, or None for no limit"
        )
    if not key.isprintable() or not 0 < len(key) <= _LONGEST_KEY:
        raise ValueError(
            f"the key of a limit is {ascii(key)[:200]}: give 1 to {_LONGEST_KEY} printable "
            "characters"
        )
    return key


def _check(key: object, to: object, on_conflict: object) -> None:
    if callable(key):
        refuse_async("key", key)
    elif key is not None:
        _checked_key(key)
    if isinstance(to, bool) or not isinstance(to, int):
        raise TypeError(f"to is {to!r}: give a whole number")
    if not 0 < to <= _MOST:
        raise ValueError(f"to is {to}: give a number from 1")
    if on_conflict not in ("block", "discard"):
        raise ValueError(f"on_conflict is {on_conflict!a}: give 'block' or 'discard'")
