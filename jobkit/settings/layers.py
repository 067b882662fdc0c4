"""Settings from several places, each knowing where it stands, laid over each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jobkit.arguments import shown
from jobkit.errors import ConfigurationError
from jobkit.settings.model import Backend, Settings
from jobkit.settings.words import nearest

__all__ = ["NAMED", "Key", "Layer", "has", "merge", "only_given"]

Key = tuple[str, ...]
"""Where a value stands: `("concurrency",)`, `("backends", "bulk", "url")`."""

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
        try:
            checked = Settings.model_validate(dict(self.values), strict=not self.text)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            problems = [self._problem(detail) for detail in details]
            # Not chained: pydantic's own text would show the passwords of URLs.
            raise ConfigurationError("; ".join(problems)) from None
        return {name: getattr(checked, name) for name in checked.model_fields_set}

    def _problem(self, detail: ErrorDetails) -> str:
        key = tuple(str(part) for part in detail["loc"] if part != "[key]")
        return f"{self.place(key)}: {_problem(key, detail)}"


def _problem(key: Key, detail: ErrorDetails) -> str:
    in_backend = key[0] == "backends" and key[1:] != ()
    known = Backend.model_fields if in_backend else Settings.model_fields
    name = ".".join(key) if in_backend else key[0]
    match detail["type"]:
        case "extra_forbidden":
            return f"there is no setting {name!a} (the nearest is {nearest(key[-1], known)!r})"
        case "missing":
            return f"{name} is missing"
        case "value_error":
            return f"{name} must be {_allowed(key)}: {detail['msg'].removeprefix('Value error, ')}"
        case _ if key[0] in _SECRET:
            return f"{name} must be {_allowed(key)}"
        case _:
            return f"{name} must be {_allowed(key)}, not {shown(detail['input'])}"


def _allowed(key: Key) -> str:
    """What the setting must be, as its description says."""
    last = "url" if key[-1] == "url" else key[0]
    return Settings.model_fields[last].description or "valid"


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
    # Every value was checked where it came from, by the same model.
    return Settings.model_construct(**merged)


def _added(named: Mapping[str, Any] | None, more: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({**(named or {}), **more})
