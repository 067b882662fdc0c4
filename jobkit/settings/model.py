"""The settings: their names, types, bounds and defaults."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from jobkit.clock import as_seconds
from jobkit.settings.queues import Queues
from jobkit.settings.urls import url_scheme

__all__ = ["Backend", "Settings", "check_address"]

_BACKEND_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

_ADDRESS: Final = re.compile(r"([^\s:\[\]/]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", re.ASCII)
_LAST_PORT: Final = 65_535

_KEY_BYTES: Final = 32


def _url(url: str) -> str:
    url_scheme(url)
    return url


def _words(value: object) -> object:
    """Text is separated by spaces, as in the environment; a list becomes a tuple."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(value) if isinstance(value, list) else value


def _seconds(value: object) -> object:
    return as_seconds(value) if isinstance(value, timedelta) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("there is no such time zone on this machine") from error
    return name


def _key(key: str) -> str:
    # What Fernet takes, without loading it: most programs encrypt nothing.
    try:
        size = len(base64.b64decode(key, altchars=b"-_", validate=True))
    except ValueError:
        size = 0
    if size != _KEY_BYTES:
        raise ValueError("one of them is no such key")
    return key


def check_address(text: str) -> str:
    """The text, if it is HOST:PORT; ValueError otherwise."""
    if not _ADDRESS.fullmatch(text) or int(text.rpartition(":")[2]) > _LAST_PORT:
        raise ValueError(f"{text[:200]!a} is no address")
    return text


def _named(name: str) -> str:
    if not _BACKEND_NAME.fullmatch(name):
        raise ValueError(f"{name[:200]!a} is no backend name")
    if name == "default":
        raise ValueError("the default backend is the setting 'url'")
    return name


def _backend(value: object) -> object:
    """A URL alone stands for a table with that URL."""
    return {"url": value} if isinstance(value, str) else value


# The descriptions complete the sentence "… must be" of an error.
_URL_IS: Final = "a URL such as sqlite:///jobkit.db, postgresql://host/db or redis://host:6379/0"
_COUNT_IS: Final = "a whole number, 1 or more"
_SECONDS_ARE: Final = "seconds, 0 or more"
_KEYS_ARE: Final = "a list of Fernet keys (32 bytes as URL-safe base64), the newest first"

_HEALTH_IS: Final = "HOST:PORT, such as 127.0.0.1:7433 or [::1]:7433"

_Url = Annotated[str, AfterValidator(_url), Field(description=_URL_IS)]
_Count = Annotated[int, Field(ge=1, description=_COUNT_IS)]
_OptionalCount = Annotated[int | None, Field(ge=1, description=_COUNT_IS)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Seconds = Annotated[_Amount, BeforeValidator(_seconds), Field(description=_SECONDS_ARE)]


class Backend(BaseModel):
    """A store that has a name of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: Annotated[_Url, Field(repr=False)]


class Settings(BaseModel):
    """Every setting. Times are seconds but for `dead_days`, sizes bytes but for `max_memory` (MB).

    `queues` None means: what the worker's classes name. `boot_timeout` None: wait for ever.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True
    )

    url: Annotated[_Url, Field(repr=False)] = "sqlite:///jobkit.db"
    backends: Annotated[
        Mapping[
            Annotated[str, AfterValidator(_named)], Annotated[Backend, BeforeValidator(_backend)]
        ],
        AfterValidator(MappingProxyType),
        Field(description='tables with a "url", their names of letters, digits, "_" and "-"'),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    imports: Annotated[
        tuple[str, ...], BeforeValidator(_words), Field(description="a list of module names")
    ] = ()
    queues: Annotated[
        Queues | None,
        BeforeValidator(Queues.of),
        Field(description="a list of queue names, or a table of weights such as {critical = 2}"),
    ] = None
    concurrency: _Count = 10
    processes: _Count = 1
    shutdown_timeout: _Seconds = 25
    lease: Annotated[_Seconds, Field(gt=0, description="seconds, more than 0")] = 30
    stall_timeout: Annotated[_Seconds, Field(description="seconds, 0 for never")] = 600
    boot_timeout: Annotated[
        Annotated[float, Field(ge=0, allow_inf_nan=False)] | None,
        BeforeValidator(_seconds),
        Field(description=_SECONDS_ARE),
    ] = None
    max_jobs: _OptionalCount = None
    max_memory: Annotated[_OptionalCount, Field(description="whole megabytes, 1 or more")] = None
    dead_max: Annotated[int, Field(ge=0, description="a whole number, 0 or more")] = 10_000
    dead_days: Annotated[_Amount, Field(description="days, 0 or more")] = 180
    keep_finished: _Seconds = 0
    encryption_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_key)], ...],
        BeforeValidator(_words),
        Field(description=_KEYS_ARE, repr=False),
    ] = ()
    max_payload: Annotated[_Count, Field(description="bytes, 1 or more")] = 1_048_576
    catch_up: Annotated[
        Literal["none", "last", "all"], Field(description='"none", "last" or "all"')
    ] = "last"
    timezone: Annotated[
        str, AfterValidator(_zone), Field(description="a time zone such as Europe/Berlin")
    ] = "UTC"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        BeforeValidator(_lower),
        Field(description='"debug", "info", "warning", "error" or "critical"'),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], BeforeValidator(_lower), Field(description='"text" or "json"')
    ] = "text"
    health: Annotated[
        Annotated[str, AfterValidator(check_address)] | None, Field(description=_HEALTH_IS)
    ] = None
    recurring: Annotated[
        Mapping[str, Mapping[str, Any]],
        AfterValidator(MappingProxyType),
        Field(description="tables of recurring jobs, one for each name"),
    ] = Field(default_factory=lambda: MappingProxyType({}))
