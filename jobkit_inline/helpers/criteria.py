"""What is looked for among jobs, whether a job meets it, and how it differs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from jobkit.arguments import shown
from jobkit.clock import as_datetime
from jobkit.jobs import FunctionJob
from jobkit.jobs.options import When, moment_seconds
from jobkit_inline.helpers.seen import JobRef, Predicate, Seen, names_of

__all__ = ["Criteria", "criteria", "describe"]

_TOLERANCE: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """Which class of job."""

    text: str
    holds: Callable[[Seen], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that is asked of a job: this one, or one that meets the predicate."""

    name: str
    value: Any
    equal: Callable[[Any, Any], bool] = operator.eq

    def difference(self, seen: Seen) -> str | None:
        """How the job's value differs, as a line; None when it does not."""
        actual = _value(seen, self.name)
        if self.value(actual) if callable(self.value) else self.equal(actual, self.value):
            return None
        return f"{self.name} is {_shown(actual)}, not {_shown(self.value)}"

    def __str__(self) -> str:
        return f"{self.name} {_shown(self.value)}"


@dataclass(frozen=True, slots=True)
class Criteria:
    """All that is asked of a job. Without `kind` it may be of any class."""

    kind: Kind | None
    wanted: tuple[Wanted, ...]

    def __bool__(self) -> bool:
        """False when nothing is asked."""
        return self.kind is not None or bool(self.wanted)

    def is_of_class(self, seen: Seen) -> bool:
        """True when the job is of the class that is looked for."""
        return self.kind is None or self.kind.holds(seen)

    def differences(self, seen: Seen) -> list[str]:
        """How a job of the class differs, a line each; none for a match."""
        found = (wanted.difference(seen) for wanted in self.wanted)
        return [line for line in found if line is not None]

    def __str__(self) -> str:
        return _sentence("any job" if self.kind is None else self.kind.text, self.wanted)


def criteria(
    job: JobRef | Predicate | None,
    *,
    args: Sequence[Any] | Predicate | None,
    kwargs: Mapping[str, Any] | Predicate | None,
    queue: str | Predicate | None,
    at: When | Predicate | None,
    priority: int | Predicate | None,
) -> Criteria:
    """The criteria of a call; None is ignored. Raises ValueError for a time without a zone."""
    wanted = (
        Wanted("args", args if args is None or callable(args) else list(args)),
        Wanted("kwargs", kwargs if kwargs is None or callable(kwargs) else dict(kwargs)),
        Wanted("queue", queue),
        Wanted("priority", priority),
        Wanted("at", at if at is None or callable(at) else _moment(at), _about_equal),
    )
    kind = None if job is None else _kind(job)
    return Criteria(kind, tuple(each for each in wanted if each.value is not None))


def describe(seen: Seen) -> str:
    """The job in a line, without what does not say anything about it."""
    values = {name: _value(seen, name) for name in ("args", "kwargs", "queue", "priority", "at")}
    telling = (Wanted(name, value) for name, value in values.items() if value or name == "args")
    return _sentence(seen.name, telling)


def _kind(job: JobRef | Predicate) -> Kind:
    if callable(job) and not isinstance(job, type | FunctionJob):
        return Kind(f"any job of a class {_shown(job)}", lambda seen: bool(job(type(seen.job))))
    names = names_of(job)
    return Kind(names[0], lambda seen: seen.name in names)


def _moment(at: When) -> datetime:
    return as_datetime(moment_seconds(at))


def _about_equal(actual: datetime | None, expected: datetime) -> bool:
    return actual is not None and abs(actual - expected) <= _TOLERANCE


def _value(seen: Seen, name: str) -> Any:
    match name:
        case "args":
            return seen.args
        case "kwargs":
            return seen.kwargs
        case "at":
            return seen.at
        case _:
            return getattr(seen.job, name)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if callable(value):
        return f"meeting {getattr(value, '__name__', None) or shown(value)}"
    return "none" if value is None else shown(value)


def _sentence(name: str, wanted: Iterable[Wanted]) -> str:
    details = ", ".join(map(str, wanted))
    return f"{name} with {details}" if details else name
