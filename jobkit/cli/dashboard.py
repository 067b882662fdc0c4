"""`jobkit dashboard`: the web pages, served here."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
from typing import Any

import click

from jobkit import settings
from jobkit.cli.options import Store, store_options
from jobkit.dashboard import create_app
from jobkit.dashboard.hosts import Hosts
from jobkit.errors import ConfigurationError

__all__ = ["command"]

_PASSWORD = "JOBKIT_DASHBOARD_PASSWORD"  # noqa: S105 - where the password is, not what it is


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    show_envvar=True,
    metavar="HOST",
    help="The address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8787,
    show_default=True,
    show_envvar=True,
    metavar="PORT",
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--read-only", is_flag=True, show_envvar=True, help="Refuse every action.")
@click.option(
    "--auth",
    "user",
    metavar="USER",
    show_envvar=True,
    help=f"Ask for this user's name and the password in {_PASSWORD}.",
)
@store_options
def command(store: Store, /, *, host: str, port: int, read_only: bool, user: str | None) -> None:
    """Serve the web pages."""
    if user is None and not _is_loopback(host):
        raise click.UsageError(
            f"{host} can be reached by others: give --auth USER, and the password in {_PASSWORD}"
        )
    store.inspector().stats()  # a store that cannot be used is better noticed now
    app: Any = create_app(store.backend, auth=_auth(user), read_only=read_only)
    if _is_loopback(host):
        app = Hosts(app, host)
    _serve(app, host, port)


def _auth(user: str | None) -> tuple[str, str] | None:
    if user is None:
        return None
    password = os.environ.get(_PASSWORD)
    if not password:
        raise click.UsageError(f"--auth needs the password in the environment variable {_PASSWORD}")
    return user, password


def _serve(app: Any, host: str, port: int) -> None:
    try:
        import uvicorn  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            'the dashboard needs uvicorn: install it with: pip install "jobkit[web]"'
        ) from error
    configured = settings.current()
    # The server raises the signal that ended it once more, and who is told to stop has not failed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.run(app, host=host, port=port, log_level=configured.log_level, server_header=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
