"""The configuration: read once, lazily, from code, a file, the environment and flags.

Of several places that give a setting the last of these wins: `configure(...)`, the file, its
table `[env.NAME]` for the environment that `JOBKIT_ENV` names, the environment variable, the
command line's flag. Each place is checked for itself, so that a mistake is found, and named by
file and line, even where another place overrides it. A `JOBKIT_ENV` without a table of its own
is no mistake: the file's own settings hold everywhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal, TypedDict, Unpack

from jobkit.settings.layers import Key, Layer, has, merge, only_given
from jobkit.settings.model import RULES, Settings
from jobkit.settings.queues import Queues
from jobkit.settings.sources import find_file, from_environ, from_file
from jobkit.settings.words import nearest

__all__ = ["Values", "configure", "current", "handed_on", "overlaid", "override", "reset", "where"]


class Values(TypedDict, total=False):
    """What `configure` takes."""

    url: str
    backends: Mapping[str, str | Mapping[str, str]]
    imports: Sequence[str]
    queues: Queues | Sequence[str] | Mapping[str, int]
    concurrency: int
    processes: int
    shutdown_timeout: float | timedelta
    lease: float | timedelta
    stall_timeout: float | timedelta
    boot_timeout: float | timedelta | None
    max_jobs: int | None
    max_memory: int | None
    dead_max: int
    dead_days: float
    keep_finished: float | timedelta
    encryption_keys: Sequence[str]
    max_payload: int
    catch_up: Literal["none", "last", "all"]
    timezone: str
    log_level: str
    log_format: str
    health: str | None
    recurring: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Given:
    """What code and command line gave so far."""

    code: tuple[Layer, ...] = ()
    flags: tuple[Layer, ...] = ()
    config: str | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read, with its layers, the strongest last."""

    settings: Settings
    layers: tuple[Layer, ...]


_FLAGS: Final[Mapping[str, str]] = {"imports": "-A", "queues": "-q"}
_lock = threading.Lock()
_given = _Given()
_reading: _Reading | None = None


def configure(**values: Unpack[Values]) -> None:
    """Set settings in code, below file, environment and flags; later calls win over earlier ones.

    Durations are seconds or timedeltas, None is "not given". Raises TypeError for a name that is
    no setting, ConfigurationError for a value that is not allowed.
    """
    for name in values:
        if name not in RULES:
            known = nearest(name, RULES)
            raise TypeError(f"there is no setting {name!r} (the nearest is {known!r})")
    layer = Layer(only_given(values), lambda key: f"configure({key[0]}=…)")
    layer.checked()
    with _lock:
        _give(replace(_given, code=(*_given.code, layer)))


def override(*, config: str | None = None, **flags: Any) -> None:
    """Set what the command line's flags give, above everything else; None is "not given".

    `config` names the file to read. Raises ConfigurationError for a value that is not allowed.
    """
    layer = Layer(only_given(flags), _flag)
    layer.checked()
    with _lock:
        named = _given.config if config is None else config
        _give(replace(_given, flags=(*_given.flags, layer), config=named))


def current() -> Settings:
    """The settings in force: read at first use, and anew after more were given.

    Raises ConfigurationError naming file and line, variable, call or flag, and what is allowed.
    """
    return (_reading or _read_once()).settings


def overlaid(caller: str, values: Mapping[str, Any]) -> Settings:
    """The settings in force with what `caller` was given over them; None is "not given".

    Raises ConfigurationError naming the caller and the argument.
    """
    layer = Layer(only_given(values), lambda key: f"{caller}({key[0]}=…)")
    return merge([*(_reading or _read_once()).layers, layer])


def handed_on() -> dict[str, Any]:
    """What `override` must be given in another process that runs this one's jobs, as JSON."""
    now = current()
    return {
        "config": _given.config,
        "url": now.url,
        "backends": {name: backend.url for name, backend in now.backends.items()} or None,
        "encryption_keys": list(now.encryption_keys) or None,
        "max_payload": now.max_payload,
        "timezone": now.timezone,
        "log_level": now.log_level,
        "log_format": now.log_format,
    }


def where(*key: str) -> str:
    """Where a setting comes from, to begin an error with: `jobkit.toml, line 3`.

    `where("concurrency")`, `where("backends", "bulk", "url")`.
    """
    layers = (_reading or _read_once()).layers
    found = next((layer for layer in reversed(layers) if has(layer.values, key[:2])), None)
    return found.place(key) if found else f"the default of {'.'.join(key)}"


def reset() -> None:
    """Forget what was given and read (for tests)."""
    with _lock:
        _give(_Given())


def _give(given: _Given) -> None:
    global _given, _reading
    _given, _reading = given, None


def _flag(key: Key) -> str:
    return _FLAGS.get(key[0], "--" + key[0].replace("_", "-"))


def _read_once() -> _Reading:
    global _reading  # noqa: PLW0603 - the process has one configuration
    with _lock:
        if _reading is None:
            _reading = _read(_given, os.environ)
        return _reading


def _read(given: _Given, environ: Mapping[str, str]) -> _Reading:
    named_by = "JOBKIT_CONFIG" if given.config is None else "--config"
    file = find_file(given.config or environ.get("JOBKIT_CONFIG") or None, named_by)
    in_file = from_file(file, environ.get("JOBKIT_ENV")) if file else []
    below = [*given.code, *in_file]
    layers = (*below, from_environ(environ, merge(below).backends), *given.flags)
    return _Reading(merge(layers), layers)
