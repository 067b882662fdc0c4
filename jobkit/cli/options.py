"""The options that many commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from jobkit import backends, settings
from jobkit.adapter import Enqueues
from jobkit.errors import JobkitError

if TYPE_CHECKING:
    from jobkit.inspection import Inspector

__all__ = [
    "Store",
    "config_option",
    "json_option",
    "location_options",
    "setting_option",
    "store_options",
]

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Store:
    """The store that a command was told to work on, by its backend's name."""

    backend: str

    def inspector(self) -> Inspector:
        """Reads and operates the store."""
        from jobkit.inspection import inspect  # noqa: PLC0415 - a supervisor inspects nothing

        return inspect(self.backend)

    def adapter(self) -> Enqueues:
        """The store's adapter."""
        return backends.get(self.backend)


def setting_option(
    *names: str, variable: str, text: str, **attributes: Any
) -> Callable[[Decorated], Decorated]:
    """An option that gives a setting, whose own environment variable is therefore its twin."""
    # The settings read the variable themselves, and name it in their errors: click must not.
    described = f"{text}  [env var: {variable}]"
    return click.option(*names, help=described, allow_from_autoenv=False, **attributes)


_URL = setting_option("--url", variable="JOBKIT_URL", metavar="URL", text="The store's URL.")
_CONFIG = setting_option(
    "--config", variable="JOBKIT_CONFIG", metavar="FILE", text="The configuration file."
)


def _backend_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """What a shell may offer; a mistake in the configuration is not its business."""
    try:
        names = {"default", *settings.current().backends}
    except JobkitError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


_BACKEND = click.option(
    "--backend",
    shell_complete=_backend_names,
    envvar="JOBKIT_BACKEND",
    show_envvar=True,
    default="default",
    metavar="NAME",
    help="The configured backend.",
)


def location_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give the command `--url` and `--config`, which become settings."""

    @_URL
    @_CONFIG
    @wraps(command)
    def with_location(*args: Any, url: str | None, config: str | None, **options: Any) -> R:
        settings.override(config=config, url=url)
        return command(*args, **options)

    return with_location


def config_option(command: Callable[P, R]) -> Callable[..., R]:
    """Give the command `--config`, which becomes a setting."""

    @_CONFIG
    @wraps(command)
    def with_config(*args: Any, config: str | None, **options: Any) -> R:
        settings.override(config=config)
        return command(*args, **options)

    return with_config


def store_options(command: Callable[Concatenate[Store, P], R]) -> Callable[..., R]:
    """Give the command `--url`, `--config` and `--backend`; it gets the `Store` they name."""

    @_URL
    @_CONFIG
    @_BACKEND
    @wraps(command)
    def with_store(
        *args: Any, url: str | None, config: str | None, backend: str, **options: Any
    ) -> R:
        named: dict[str, Any] = {"url": url} if backend == "default" else _named(backend, url)
        settings.override(config=config, **named)
        return command(Store(backend), *args, **options)

    return with_store


def json_option(command: Decorated) -> Decorated:
    """Give the command `--json`, passed as `as_json`."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        envvar="JOBKIT_JSON",
        show_envvar=True,
        help="Print JSON, and nothing else, to stdout.",
    )(command)


def _named(backend: str, url: str | None) -> dict[str, Any]:
    return {} if url is None else {"backends": {backend: {"url": url}}}
