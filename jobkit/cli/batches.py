"""`jobkit batches`: jobs that belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from jobkit.batching import BatchInfo
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import moment, print_json, print_table

__all__ = ["command"]

_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID...")
_COLUMNS = ("ID", "DESCRIPTION", "TOTAL", "PENDING", "SUCCEEDED", "FAILED", "CREATED", "FINISHED")


@click.group()
def command() -> None:
    """List and show batches, cancel them, retry what failed."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, help="Batches in a page.")
@click.option("--after", metavar="CURSOR", help="The page behind the one that gave this cursor.")
@json_option
@store_options
def list_(store: Store, /, *, limit: int, after: str | None, as_json: bool) -> None:
    """List batches, the newest first."""
    page = store.inspector().batches(limit=limit, after=after)
    if as_json:
        print_json(page.items)
    else:
        print_table(_COLUMNS, [_row(each) for each in page.items])
    if page.next is not None:
        click.echo(f"next: --after {page.next}", err=True)


@command.command()
@_IDS
@json_option
@store_options
def show(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Show batches."""
    inspector = store.inspector()
    found = [each for each in map(inspector.batch, ids) if each is not None]
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, [_row(each) for each in found])
    _refuse({*ids} - {each.id for each in found})


@command.command()
@_IDS
@json_option
@store_options
def cancel(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Cancel the members that have not ended; of the callbacks only on_finish comes."""
    _change(store, ids, store.inspector().cancel_batch, "cancelled", as_json=as_json)


@command.command()
@_IDS
@json_option
@store_options
def retry(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Run the dead members again."""
    _change(store, ids, store.inspector().retry_batch, "enqueued", as_json=as_json)


def _change(
    store: Store, ids: Sequence[str], change: Callable[[str], int], done: str, *, as_json: bool
) -> None:
    inspector = store.inspector()
    known = [batch for batch in ids if inspector.batch(batch) is not None]
    changed = sum(change(batch) for batch in known)
    if as_json:
        print_json({"changed": changed})
    else:
        click.echo(f"{changed} {done}")
    _refuse({*ids} - {*known})


def _refuse(unknown: set[str]) -> None:
    if unknown:
        raise click.ClickException(f"there is no batch {', '.join(map(ascii, sorted(unknown)))}")


def _row(batch: BatchInfo) -> tuple[object, ...]:
    counts = (batch.total, batch.pending, batch.succeeded, batch.failed)
    finished = moment(batch.finished_at) or "-"
    state = f"{finished} cancelled" if batch.cancelled else finished
    return (batch.id, batch.description, *counts, moment(batch.created_at), state)
