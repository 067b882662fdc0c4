"""The settings: their names, types, bounds and defaults."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal

from jobkit.settings.checks import (
    Check,
    Findings,
    Key,
    Missing,
    Unfit,
    Unknown,
    made,
    number,
    one_of,
    seconds,
    tables,
    text,
    whole,
    words,
)
from jobkit.settings.queues import Queues
from jobkit.settings.urls import url_scheme

__all__ = ["BACKEND", "RULES", "Backend", "Rule", "Settings", "check_address", "checked"]

_BACKEND_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

_ADDRESS: Final = re.compile(r"([^\s:\[\]/]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", re.ASCII)
_LAST_PORT: Final = 65_535

_KEY_BYTES: Final = 32


def _zone(name: str) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - where one is named

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("there is no such time zone on this machine") from error


def _key(key: str) -> None:
    # What Fernet takes, without loading it: most programs encrypt nothing.
    try:
        size = len(base64.b64decode(key, altchars=b"-_", validate=True))
    except ValueError:
        size = 0
    if size != _KEY_BYTES:
        raise ValueError("one of them is no such key")


def check_address(given: str) -> str:
    """The text itself. Raises ValueError if it is not HOST:PORT."""
    if not _ADDRESS.fullmatch(given) or int(given.rpartition(":")[2]) > _LAST_PORT:
        raise ValueError(f"{given[:200]!a} is no address")
    return given


def _named(name: str) -> None:
    if not _BACKEND_NAME.fullmatch(name):
        raise ValueError(f"{name[:200]!a} is no backend name")
    if name == "default":
        raise ValueError("the default backend is the setting 'url'")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a setting must be: the check, and the words that complete the sentence "… must be"."""

    check: Check
    allowed: str


def _set(
    check: Check, allowed: str, default: object = None, *, secret: bool = False, of: Any = None
) -> Any:
    """A field of the settings; `of` makes the default, where it could be changed."""
    told: dict[str, Any] = {"repr": not secret, "metadata": {_RULE: Rule(check, allowed)}}
    return field(default=default, **told) if of is None else field(default_factory=of, **told)


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


def _rules(cls: type[Any]) -> Mapping[str, Rule]:
    return MappingProxyType({each.name: each.metadata[_RULE] for each in fields(cls)})


_RULE: Final = "rule"
_COUNT_IS: Final = "a whole number, 1 or more"
_SECONDS_ARE: Final = "seconds, 0 or more"
_URL: Final = Rule(
    text(url_scheme),
    "a URL such as sqlite:///jobkit.db, postgresql://host/db or redis://host:6379/0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A store that has a name of its own."""

    url: str = field(repr=False, metadata={_RULE: _URL})


BACKEND: Final = _rules(Backend)
"""The settings of a backend that has a name."""


def _backend(findings: Findings, key: Key, value: Any) -> Backend | None:
    """A URL alone stands for a table with that URL."""
    match value:
        case Backend():
            return value
        case str():
            return Backend(url=_URL.check(findings, (*key, "url"), value))
        case Mapping():
            if "url" not in value:
                findings.add((*key, "url"), Missing())
            given = _given(findings, BACKEND, value, key)
            return Backend(url=given.get("url", ""))
        case _:
            findings.add(key, Unfit(value))
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting. Times are seconds but for `dead_days`, sizes bytes but for `max_memory` (MB).

    `queues` None means: what the worker's classes name. `boot_timeout` None: wait for ever.
    """

    url: str = _set(_URL.check, _URL.allowed, "sqlite:///jobkit.db", secret=True)
    backends: Mapping[str, Backend] = _set(
        tables(_backend, name=_named),
        'tables with a "url", their names of letters, digits, "_" and "-"',
        of=_empty,
    )
    imports: tuple[str, ...] = _set(words(), "a list of module names", ())
    queues: Queues | None = _set(  # noqa: RUF009 - a field as the others
        made(Queues.of), "a list of queue names, or a table of weights such as {critical = 2}"
    )
    concurrency: int = _set(whole(1), _COUNT_IS, 10)
    processes: int = _set(whole(1), _COUNT_IS, 1)
    shutdown_timeout: float = _set(seconds(), _SECONDS_ARE, 25)
    lease: float = _set(seconds(positive=True), "seconds, more than 0", 30)
    stall_timeout: float = _set(seconds(), "seconds, 0 for never", 600)
    boot_timeout: float | None = _set(seconds(), _SECONDS_ARE)
    max_jobs: int | None = _set(whole(1), _COUNT_IS)
    max_memory: int | None = _set(whole(1), "whole megabytes, 1 or more")
    dead_max: int = _set(whole(0), "a whole number, 0 or more", 10_000)
    dead_days: float = _set(number(), "days, 0 or more", 180)
    keep_finished: float = _set(seconds(), _SECONDS_ARE, 0)
    encryption_keys: tuple[str, ...] = _set(
        words(_key),
        "a list of Fernet keys (32 bytes as URL-safe base64), the newest first",
        (),
        secret=True,
    )
    max_payload: int = _set(whole(1), "bytes, 1 or more", 1_048_576)
    catch_up: Literal["none", "last", "all"] = _set(
        one_of("none", "last", "all"), '"none", "last" or "all"', "last"
    )
    timezone: str = _set(text(_zone), "a time zone such as Europe/Berlin", "UTC")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = _set(
        one_of("debug", "info", "warning", "error", "critical", any_case=True),
        '"debug", "info", "warning", "error" or "critical"',
        "info",
    )
    log_format: Literal["text", "json"] = _set(
        one_of("text", "json", any_case=True), '"text" or "json"', "text"
    )
    health: str | None = _set(
        text(check_address), "HOST:PORT, such as 127.0.0.1:7433 or [::1]:7433"
    )
    recurring: Mapping[str, Mapping[str, Any]] = _set(
        tables(tables(lambda findings, key, value: value)),
        "tables of recurring jobs, one for each name",
        of=_empty,
    )


RULES: Final = _rules(Settings)
"""Every setting's, by name."""


def checked(findings: Findings, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that `Settings` has of these, of any layer; all that is wrong is noted."""
    return _given(findings, RULES, values, ())


def _given(
    findings: Findings, rules: Mapping[str, Rule], values: Mapping[str, Any], key: Key
) -> dict[str, Any]:
    known = [name for name in rules if name in values]
    found = {name: rules[name].check(findings, (*key, name), values[name]) for name in known}
    for name in values:
        if name not in rules:
            findings.add((*key, str(name)), Unknown())
    return found
