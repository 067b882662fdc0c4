"""`jobkit cron`: the recurring entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import click

from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import print_json, print_table
from jobkit.entries import RecurringInfo

__all__ = ["command"]

_NAMES = click.argument("names", nargs=-1, required=True, metavar="NAME...")


@click.group()
def command() -> None:
    """List, run, pause and resume recurring jobs."""


@command.command("list")
@json_option
@store_options
def list_(store: Store, /, *, as_json: bool) -> None:
    """List the recurring entries with their next and last runs."""
    entries = store.inspector().recurring()
    if as_json:
        print_json(entries)
        return
    columns = ("NAME", "CRON", "ZONE", "JOB", "NEXT", "LAST", "")
    print_table(columns, [_row(entry) for entry in entries])


@command.command()
@_NAMES
@json_option
@store_options
def run(store: Store, /, *, names: Sequence[str], as_json: bool) -> None:
    """Enqueue the jobs of entries now, out of turn."""
    inspector = store.inspector()
    ids = [inspector.run_recurring(name) for name in names]
    if as_json:
        print_json({"enqueued": [each for each in ids if each is not None]})
        return
    for name, job in zip(names, ids, strict=True):
        click.echo(f"{name}: {job or 'middleware stopped it'}")


@command.command()
@_NAMES
@json_option
@store_options
def pause(store: Store, /, *, names: Sequence[str], as_json: bool) -> None:
    """Have entries not tick until they are resumed."""
    _change(store.inspector().pause_recurring, names, "paused", as_json=as_json)


@command.command()
@_NAMES
@json_option
@store_options
def resume(store: Store, /, *, names: Sequence[str], as_json: bool) -> None:
    """Let paused entries tick again."""
    _change(store.inspector().resume_recurring, names, "resumed", as_json=as_json)


def _change(
    change: Callable[[str], bool], names: Sequence[str], done: str, *, as_json: bool
) -> None:
    unknown = [name for name in names if not change(name)]
    if as_json:
        print_json({"changed": len(names) - len(unknown)})
    else:
        click.echo(f"{len(names) - len(unknown)} {done}")
    if unknown:
        raise click.ClickException(f"there is no recurring entry {', '.join(map(ascii, unknown))}")


def _row(entry: RecurringInfo) -> tuple[str, ...]:
    last = entry.runs[0].at if entry.runs else None
    state = entry.error or ("paused" if entry.paused else "")
    times = (_shown(entry.next_at), _shown(last))
    return (entry.name, entry.cron, entry.timezone, entry.job_class, *times, state)


def _shown(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
