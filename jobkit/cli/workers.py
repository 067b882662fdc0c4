"""`jobkit workers`: reading and ordering worker processes about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from jobkit.capabilities import WorkerInfo
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import moment, print_json, print_table, printable
from jobkit.errors import Unsupported

__all__ = ["command"]

_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group()
def command() -> None:
    """List, quiet and stop workers."""


@command.command("list")
@json_option
@store_options
def list_(store: Store, /, *, as_json: bool) -> None:
    """List the workers, oldest first."""
    workers = store.inspector().workers()
    if as_json:
        print_json(workers)
    else:
        headers = ("ID", "RUNNING", "QUEUES", "STARTED (UTC)", "LAST BEAT (UTC)", "MB", "")
        print_table(headers, [_row(worker) for worker in workers])


@command.command()
@_IDS
@json_option
@store_options
def quiet(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Tell workers to take no more jobs, for good."""
    _order(ids, store.inspector().quiet, as_json=as_json)


@command.command()
@_IDS
@json_option
@store_options
def stop(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Tell workers to stop, as TERM would."""
    _order(ids, store.inspector().stop, as_json=as_json)


def _order(ids: Sequence[str], order: Callable[[str], bool], *, as_json: bool) -> None:
    """Give each worker the order, say how many took it, and fail for those that did not."""
    unique = list(dict.fromkeys(ids))
    refusals = [refusal for worker_id in unique if (refusal := _refusal(worker_id, order))]
    told = len(unique) - len(refusals)
    if as_json:
        print_json({"changed": told})
    else:
        click.echo(f"{told} told; a worker obeys with its next beat")
    for refusal in refusals:
        click.echo(f"Error: {refusal}", err=True)
    if refusals:
        click.get_current_context().exit(1)


def _refusal(worker_id: str, order: Callable[[str], bool]) -> str | None:
    """Why the order could not be given; None when it was."""
    try:
        return None if order(worker_id) else f"there is no worker {printable(worker_id)}"
    except Unsupported as error:
        return printable(str(error))


def _row(worker: WorkerInfo) -> tuple[object, ...]:
    return (
        worker.id,
        f"{worker.running}/{worker.concurrency}",
        ",".join(worker.queues),
        moment(worker.started_at),
        moment(worker.beat_at),
        worker.rss // 1_000_000,
        _state(worker),
    )


def _state(worker: WorkerInfo) -> str:
    words = {"embedded": worker.embedded, "quiet": worker.quiet}
    return " ".join(word for word, holds in words.items() if holds)
