"""`jobkit stats`: totals and sizes; with --watch a live screen."""

from __future__ import annotations

import sys
import time
from dataclasses import fields

import click

from jobkit.capabilities import Stats
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import print_json, print_table
from jobkit.cli.screen import Screen, watched
from jobkit.inspection import Inspector

__all__ = ["command"]


@click.command()
@click.option("--watch", is_flag=True, help="Show them again and again, until interrupted.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds between two looks with --watch.",
)
@json_option
@store_options
def command(store: Store, /, *, watch: bool, interval: float, as_json: bool) -> None:
    """Show totals and sizes."""
    inspector = store.inspector()
    if watch and sys.stdout.isatty() and not as_json:
        watched(lambda: Screen.of(inspector), interval)
    _show(inspector, as_json=as_json)
    while watch:
        time.sleep(interval)
        _show(inspector, as_json=as_json)


def _show(inspector: Inspector, *, as_json: bool) -> None:
    stats: Stats = inspector.stats()
    if as_json:
        print_json(stats)
    else:
        rows = [(field.name, getattr(stats, field.name)) for field in fields(stats)]
        print_table(("", "NUMBER"), rows)
