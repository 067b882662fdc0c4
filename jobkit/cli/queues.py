"""`jobkit queues`: reading, pausing and emptying queues."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import print_json, print_table

__all__ = ["command"]

_NAMES = click.argument("names", nargs=-1, required=True, metavar="NAME...")


@click.group()
def command() -> None:
    """List, pause, resume and clear queues."""


@command.command("list")
@json_option
@store_options
def list_(store: Store, /, *, as_json: bool) -> None:
    """List the queues that hold jobs, are paused or are served."""
    queues = store.inspector().queues()
    if as_json:
        print_json(queues)
        return
    rows = [(q.name, q.size, f"{q.latency:.1f} s", "paused" if q.paused else "") for q in queues]
    print_table(("QUEUE", "SIZE", "LATENCY", ""), rows)


@command.command()
@_NAMES
@json_option
@store_options
def pause(store: Store, /, *, names: Sequence[str], as_json: bool) -> None:
    """Have nothing taken from queues any more."""
    inspector = store.inspector()
    for name in names:
        inspector.pause(name)
    _report(len(names), "paused", as_json=as_json)


@command.command()
@_NAMES
@json_option
@store_options
def resume(store: Store, /, *, names: Sequence[str], as_json: bool) -> None:
    """Let paused queues be worked again."""
    inspector = store.inspector()
    for name in names:
        inspector.resume(name)
    _report(len(names), "resumed", as_json=as_json)


@command.command()
@_NAMES
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@store_options
def clear(store: Store, /, *, names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Remove all enqueued jobs of queues, for good."""
    inspector = store.inspector()
    if not yes:
        _ask(names)
    _report(sum(inspector.clear(name) for name in names), "discarded", as_json=as_json)


def _ask(names: Sequence[str]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: give --yes to remove the jobs")
    click.confirm(f"Remove all jobs of {', '.join(names)}?", abort=True, err=True)


def _report(changed: int, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
    else:
        click.echo(f"{changed} {done}")
