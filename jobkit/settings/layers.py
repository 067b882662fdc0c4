"""Settings from several places, each knowing where it stands, laid over each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, assert_never

from jobkit.arguments import shown
from jobkit.errors import ConfigurationError
from jobkit.settings.checks import Findings, Key, Missing, Problem, Refused, Unfit, Unknown
from jobkit.settings.model import BACKEND, RULES, Settings, checked
from jobkit.settings.words import nearest

__all__ = ["NAMED", "Key", "Layer", "has", "merge", "only_given"]

NAMED: Final = frozenset({"backends", "recurring"})
"""The settings whose entries have names: layers add to them instead of replacing them."""

_SECRET: Final = frozenset({"url", "backends", "encryption_keys"})


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings from one place, as they stand there; `place` says where a key stands.

    `text`: the values are text of which numbers are made, as in the environment.
    """

    values: Mapping[str, Any]
    place: Callable[[Key], str]
    text: bool = False

    def checked(self) -> dict[str, Any]:
        """The values as `Settings` has them. Raises ConfigurationError for all that is wrong."""
        findings = Findings(self.text)
        values = checked(findings, self.values)
        if findings.problems:
            problems = [f"{self.place(key)}: {_told(key, what)}" for key, what in findings.problems]
            raise ConfigurationError("; ".join(problems))
        return values


def _told(key: Key, problem: Problem) -> str:
    in_backend = key[0] == "backends" and key[1:] != ()
    name = ".".join(key) if in_backend else key[0]
    match problem:
        case Unknown():
            known = BACKEND if in_backend else RULES
            return f"there is no setting {name!a} (the nearest is {nearest(key[-1], known)!r})"
        case Missing():
            return f"{name} is missing"
        case Refused(reason):
            return f"{name} must be {_allowed(key)}: {reason}"
        case Unfit() if key[0] in _SECRET:
            return f"{name} must be {_allowed(key)}"
        case Unfit(value):
            return f"{name} must be {_allowed(key)}, not {shown(value)}"
        case _:
            assert_never(problem)


def _allowed(key: Key) -> str:
    """What the setting must be, as its rule says."""
    return RULES["url" if key[-1] == "url" else key[0]].allowed


def only_given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not None: what was not given never overrides."""
    return {name: value for name, value in values.items() if value is not None}


def has(values: object, key: Key) -> bool:
    """True if there is something at `key` in these nested tables."""
    for part in key:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def merge(layers: Sequence[Layer]) -> Settings:
    """The settings of all layers, later ones winning, over the defaults."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.checked().items():
            merged[name] = _added(merged.get(name), value) if name in NAMED else value
    return Settings(**merged)


def _added(named: Mapping[str, Any] | None, more: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({**(named or {}), **more})
