"""`jobkit workers`: reading and ordering worker processes about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from jobkit.capabilities import WorkerInfo
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import moment, print_json, print_table, printable

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
    """Give each worker the order, say how many there were, and fail for those there are not."""
    told = {worker_id: order(worker_id) for worker_id in dict.fromkeys(ids)}
    if as_json:
        print_json({"changed": sum(told.values())})
    else:
        click.echo(f"{sum(told.values())} told; a worker obeys with its next beat")
    unknown = [worker_id for worker_id, known in told.items() if not known]
    for worker_id in unknown:
        click.echo(f"Error: there is no worker {printable(worker_id)}", err=True)
    if unknown:
        click.get_current_context().exit(1)


def _row(worker: WorkerInfo) -> tuple[object, ...]:
    return (
        worker.id,
        f"{worker.running}/{worker.concurrency}",
        ",".join(worker.queues),
        moment(worker.started_at),
        moment(worker.beat_at),
        worker.rss // 1_000_000,
        "quiet" if worker.quiet else "",
    )
