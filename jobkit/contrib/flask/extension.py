"""The extension."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
from flask import Flask
from flask.cli import ScriptInfo

import jobkit
from jobkit import middleware
from jobkit.contrib.command_line import pass_on
from jobkit.errors import ConfigurationError
from jobkit.middleware import Middleware

__all__ = ["Jobkit"]


class AppContext(Middleware):
    """Runs every job within an application context of its own, as a request is."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
        del job
        with self._app.app_context():
            return call_next()


class Jobkit:
    """Hands `app.config["JOBKIT"]` to jobkit, gives jobs the app's context, adds `flask jobkit`.

    `Jobkit(app)`, or `init_app(app)` later. A process has one such application: the last one
    stands. Raises ConfigurationError for a setting that is not allowed.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve this application."""
        _configure(app.config.get("JOBKIT", {}))
        middleware.add(AppContext(app))
        app.cli.add_command(_command)
        app.extensions["jobkit"] = self


def _configure(values: Any) -> None:
    if not isinstance(values, dict):
        raise ConfigurationError(f"JOBKIT is {values!r}: give a dict of jobkit's settings")
    try:
        jobkit.configure(**values)
    except TypeError as error:
        raise ConfigurationError(f"JOBKIT: {error}") from error


@click.command(
    "jobkit",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def _command(context: click.Context, words: tuple[str, ...]) -> None:
    """Run workers and operate jobs: everything that `jobkit` can, with this application's jobs."""
    script = context.ensure_object(ScriptInfo)
    script.load_app()  # whose configuration is wanted, and which must be loadable for a worker
    if script.app_import_path is not None:
        os.environ["FLASK_APP"] = script.app_import_path
    pass_on(words, "jobkit.contrib.flask.application")
