"""Failure rules as values, and the search for the one that an error meets.

`@retry_on`, `@discard_on` and `@rescue_from` declare; `find` reads the declarations top-down, like
`except` clauses. What a rule means is decided in `jobkit.execution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from jobkit.backoff import Backoff, Wait, compile_wait
from jobkit.callbacks import called, refuse_async
from jobkit.settings import check_queue_name

__all__ = [
    "BURY",
    "DECLARE",
    "DEFAULT",
    "DISCARD",
    "DiscardRule",
    "Policy",
    "RescueRule",
    "RetryRule",
    "Rule",
    "Verdict",
    "discard_on",
    "find",
    "rescue_from",
    "rescues_of",
    "retry_on",
    "rules_of",
]

D = TypeVar("D", bound=Callable[..., Any])
Errors = tuple[type[BaseException], ...]
Handler = Callable[[Any, BaseException], object]
RetryIn = Callable[[int, BaseException], Any]

DECLARE: Final = "__jobkit_declare__"
"""The method by which job classes and function jobs take a rule."""

_RULES: Final = "__jobkit_rules__"
_RESCUES: Final = "__jobkit_rescues__"


class Verdict(Enum):
    """What a `retry_in` or `on_exhausted` callable may answer instead of a delay."""

    DEFAULT = "default"
    DISCARD = "discard"
    BURY = "bury"

    def __repr__(self) -> str:
        return f"jobkit.{self.name}"


DEFAULT: Final = Verdict.DEFAULT
DISCARD: Final = Verdict.DISCARD
BURY: Final = Verdict.BURY


@dataclass(frozen=True, slots=True)
class RetryRule:
    """`attempts` counts the first run, None is without end; `key` counts failures on the wire."""

    errors: Errors
    key: str
    backoff: Backoff
    attempts: int | None
    queue: str | None
    priority: int | None
    on_exhausted: Handler | None


@dataclass(frozen=True, slots=True)
class DiscardRule:
    """The job is dropped; `handler(job, error)` is told."""

    errors: Errors
    handler: Handler | None


@dataclass(frozen=True, slots=True)
class RescueRule:
    """The job's method of that name runs in place of the failure."""

    errors: Errors
    method: str


Rule = RetryRule | DiscardRule | RescueRule


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of an error that no rule names. `retry_for` in seconds."""

    retry: bool | int = True
    dead: bool = True
    retry_in: RetryIn | None = None
    retry_for: float | None = None


def retry_on(
    *errors: type[BaseException],
    wait: Wait = 3,
    attempts: int | None = 5,
    queue: str | None = None,
    priority: int | None = None,
    jitter: float | None = 0.15,
    on_exhausted: Handler | None = None,
) -> Callable[[D], D]:
    """Run the job again when it fails with one of these errors; over a job class or function.

    `wait` is seconds, a timedelta, "polynomially_longer", "exponentially_longer" or a callable of
    the failures so far; `attempts` counts the first run, None is without end; up to `jitter` of
    the wait is added at random (below 0 it is taken off). Errors named together share a counter.
    When the attempts are used up, `on_exhausted(job, error)` ends it if given, otherwise the job
    is buried.

        @retry_on(ConnectionError, TimeoutError, wait="polynomially_longer", attempts=5)
        class Fetch(Job): ...
    """
    _check_errors("retry_on", errors)
    _check_attempts(attempts)
    if queue is not None:
        check_queue_name(queue)
    if priority is not None and type(priority) is not int:
        raise TypeError(f"priority is {priority!r}: give a whole number, or None to keep it")
    if on_exhausted is not None:
        called("on_exhausted", on_exhausted)
    backoff = compile_wait(refuse_async("wait", wait), jitter)
    rule = RetryRule(errors, _key(errors), backoff, attempts, queue, priority, on_exhausted)
    return lambda target: _declare(target, rule, "retry_on")


def discard_on(*errors: type[BaseException], handler: Handler | None = None) -> Callable[[D], D]:
    """Drop the job, on purpose, on one of these errors; `handler(job, error)` is told."""
    _check_errors("discard_on", errors)
    if handler is not None:
        called("handler", handler)
    return lambda target: _declare(target, DiscardRule(errors, handler), "discard_on")


def rescue_from(*errors: type[BaseException]) -> Callable[[D], D]:
    """Over a method `(self, error)`: it runs in place of the failure; returning means handled."""
    _check_errors("rescue_from", errors)

    def mark(method: D) -> D:
        setattr(method, _RESCUES, errors)
        return method

    return mark


def rules_of(function: object) -> tuple[Rule, ...]:
    """What `retry_on` and `discard_on` declared over a plain function, top-down."""
    rules: tuple[Rule, ...] = getattr(function, _RULES, ())
    return rules


def rescues_of(members: Mapping[str, Any]) -> tuple[RescueRule, ...]:
    """The `rescue_from` methods among a class's own members, in order of definition."""
    return tuple(
        RescueRule(getattr(member, _RESCUES), name)
        for name, member in members.items()
        if hasattr(member, _RESCUES)
    )


def find(rules: Sequence[Rule], error: BaseException) -> tuple[Rule, BaseException] | None:
    """The first rule that the error meets, else the first that its cause meets, and so on.

    With the error of the chain that met it.
    """
    for cause in _chain(error):
        for rule in rules:
            if isinstance(cause, rule.errors):
                return rule, cause
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def _declare(target: D, rule: Rule, name: str) -> D:
    declare: Callable[[Rule], None] | None = getattr(target, DECLARE, None)
    if declare is not None:
        declare(rule)
    elif isinstance(target, type):
        raise TypeError(f"{name} goes over a job: {target.__qualname__} is not a subclass of Job")
    elif not callable(target):
        raise TypeError(f"{name} goes over a job class or a function, not over {target!a}")
    else:
        setattr(target, _RULES, (rule, *rules_of(target)))
    return target


def _check_errors(name: str, errors: Errors) -> None:
    if not errors:
        raise TypeError(f"{name} needs at least one exception class")
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, BaseException)):
            raise TypeError(f"{name} takes exception classes, not {error!r}")


def _check_attempts(attempts: int | None) -> None:
    if attempts is not None and (type(attempts) is not int or attempts < 1):
        raise ValueError(f"attempts is {attempts!r}: give a number from 1, or None for no end")


def _key(errors: Errors) -> str:
    return ",".join(f"{error.__module__}.{error.__qualname__}" for error in errors)
