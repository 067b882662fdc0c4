"""`jobkit check`: what is wrong, before a worker finds out."""

from __future__ import annotations

from collections.abc import Iterator

import click

from jobkit import backends, jobs, settings
from jobkit.cli.application import app_option, import_modules
from jobkit.cli.options import json_option, location_options
from jobkit.cli.output import print_json, printable
from jobkit.entries import own_entries
from jobkit.errors import JobkitError

__all__ = ["command"]


@click.command()
@app_option
@json_option
@location_options
def command(*, imports: tuple[str, ...], as_json: bool) -> None:
    """Tell what is wrong with configuration, stores, schema and imports."""
    settings.override(imports=imports or None)
    problems = list(dict.fromkeys(_problems()))  # a class meets those of its store again
    if as_json:
        print_json({"problems": problems})
    else:
        click.echo("\n".join(printable(problem) for problem in problems) or "everything is fine")
    if problems:
        click.get_current_context().exit(1)


def _problems() -> Iterator[str]:
    """All problems; only a configuration that cannot be read hides the others."""
    try:
        modules = settings.current().imports
    except JobkitError as error:
        yield str(error)
        return
    for module in modules:
        yield from _import_problems(module)
    # Now, because the application may have configured more of them.
    for name in backends.names():
        yield from backends.problems(name)
        yield from _entry_problems(name)
    yield from jobs.check_classes()


def _import_problems(module: str) -> Iterator[str]:
    try:
        import_modules([module])
    except JobkitError as error:
        yield str(error)


def _entry_problems(name: str) -> Iterator[str]:
    try:
        own_entries(name)
    except JobkitError as error:
        yield str(error)
