"""What the value of a setting may be. A check collects all that is wrong, not only the first.

By hand, because a supervisor reads settings and nothing else that pydantic would be loaded for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from jobkit.clock import as_seconds

__all__ = [
    "Check",
    "Findings",
    "Key",
    "Missing",
    "Problem",
    "Refused",
    "Unfit",
    "Unknown",
    "made",
    "number",
    "one_of",
    "seconds",
    "tables",
    "text",
    "whole",
    "words",
]

T = TypeVar("T")
R = TypeVar("R")

Key = tuple[str, ...]
"""Where a value stands: `("concurrency",)`, `("backends", "bulk", "url")`."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such setting."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A value must be given here, and is not."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The value is not allowed, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """The value is of another type, or out of bounds."""

    value: object


Problem = Unknown | Missing | Refused | Unfit


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found wrong so far, and where. `as_text`: numbers are still text."""

    as_text: bool
    problems: list[tuple[Key, Problem]] = field(default_factory=list)

    def add(self, key: Key, problem: Problem) -> None:
        """Note a problem."""
        self.problems.append((key, problem))

    def attempt(self, key: Key, make: Callable[[T], R], value: T) -> R | None:
        """What `make` makes of the value; its ValueError is a problem."""
        try:
            return make(value)
        except ValueError as error:
            self.add(key, Refused(str(error)))
            return None


Check = Callable[[Findings, Key, Any], Any]
"""Returns the value as the settings have it; None, after it noted why, if there is no such."""


def made(make: Callable[[Any], object]) -> Check:
    """Whatever `make` can be called with; what is wrong it says by a ValueError."""
    return lambda findings, key, value: findings.attempt(key, make, value)


def text(allowed: Callable[[str], object] = str) -> Check:
    """Text to which `allowed` has no objection."""

    def check(findings: Findings, key: Key, value: Any) -> str | None:
        if not isinstance(value, str):
            findings.add(key, Unfit(value))
            return None
        findings.attempt(key, allowed, value)
        return value

    return check


def words(allowed: Callable[[str], object] = str) -> Check:
    """A list of texts, or words in one text with spaces between them, as in the environment."""
    each = text(allowed)

    def check(findings: Findings, key: Key, value: Any) -> tuple[str, ...] | None:
        given = value.split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            findings.add(key, Unfit(value))
            return None
        return tuple(each(findings, (*key, str(at)), word) for at, word in enumerate(given))

    return check


def one_of(*names: str, any_case: bool = False) -> Check:
    """One of these words."""

    def check(findings: Findings, key: Key, value: Any) -> str | None:
        word = value.lower() if any_case and isinstance(value, str) else value
        if isinstance(word, str) and word in names:
            return word
        findings.add(key, Unfit(word))
        return None

    return check


def whole(least: int) -> Check:
    """A whole number, not below `least`."""

    def check(findings: Findings, key: Key, value: Any) -> int | None:
        given = _parsed(value, _whole) if findings.as_text else value
        if isinstance(given, int) and not isinstance(given, bool) and given >= least:
            return int(given)
        findings.add(key, Unfit(value))
        return None

    return check


def number(*, positive: bool = False) -> Check:
    """A finite number, 0 or more; with `positive` more than that."""

    def check(findings: Findings, key: Key, value: Any) -> float | None:
        given = _parsed(value, float) if findings.as_text else _float(value)
        if given is not None and math.isfinite(given) and (given > 0 if positive else given >= 0):
            return given
        findings.add(key, Unfit(value))
        return None

    return check


def seconds(*, positive: bool = False) -> Check:
    """As `number`, or a timedelta."""
    check = number(positive=positive)

    def with_timedelta(findings: Findings, key: Key, value: Any) -> float | None:
        given = as_seconds(value) if isinstance(value, timedelta) else value
        found: float | None = check(findings, key, given)
        return found

    return with_timedelta


def tables(of: Check, *, name: Callable[[str], object] = str) -> Check:
    """A table that has values by name; `name` objects to a name by a ValueError."""
    names = text(name)

    def check(findings: Findings, key: Key, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            findings.add(key, Unfit(value))
            return None
        checked: dict[str, Any] = {}
        for each, content in value.items():
            names(findings, (*key, str(each)), each)
            checked[each] = of(findings, (*key, str(each)), content)
        return checked

    return check


_WHOLE: Final = re.compile(r"([+-]?[0-9]+(?:_[0-9]+)*)(?:\.0+)?", re.ASCII)


def _whole(given: str) -> int:
    found = _WHOLE.fullmatch(given.strip())
    if found is None:
        raise ValueError(given)
    return int(found[1])


def _parsed(value: object, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(value) if isinstance(value, str) and value.isascii() else None
    except ValueError:
        return None


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
