"""`jobkit jobs move`: all jobs from one store to another."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import click

from jobkit import backends
from jobkit.adapter import Adapter
from jobkit.cli.options import config_option, json_option
from jobkit.cli.output import print_json
from jobkit.cli.progress import progress
from jobkit.errors import ConfigurationError, JobkitError
from jobkit.inspection import Inspector
from jobkit.inspection.moving import Moved, move_all

__all__ = ["move"]


@click.command()
@click.option("--from", "source_url", required=True, metavar="URL", help="The store they are in.")
@click.option("--to", "target_url", required=True, metavar="URL", help="The store they go to.")
@json_option
@config_option
def move(*, source_url: str, target_url: str, as_json: bool) -> None:
    """Move every job that waits or is dead to another store.

    Members of batches stay, as their batch does. Stop the workers of the first store before. A
    move that was interrupted goes on when it is called again.
    """
    if source_url == target_url:
        raise click.UsageError("--from and --to name the same store")
    with (
        closing(_opened("--from", source_url)) as source,
        closing(_opened("--to", target_url)) as target,
    ):
        moved = _moved(source, target)
    if as_json:
        print_json(asdict(moved))
    else:
        _show(moved)
    left = _left(moved)
    for line in left:
        click.echo(f"Error: {line}", err=True)
    if left:
        click.get_current_context().exit(1)


def _opened(option: str, url: str) -> Adapter:
    try:
        return backends.opened(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}: {error}") from error


def _moved(source: Adapter, target: Adapter) -> Moved:
    inspector = Inspector(source)
    workers = [worker.id for worker in inspector.workers()]
    if workers:
        raise JobkitError(
            f"{len(workers)} workers are at the first store ({workers[0]}): stop them, as they"
            " would run jobs that are being moved"
        )
    stats = inspector.stats()
    total = stats.scheduled + stats.retry + stats.enqueued + stats.blocked + stats.dead
    with progress("moving", total) as tell:
        return move_all(source, target, on_progress=tell)


def _show(moved: Moved) -> None:
    parts = [f"{number:,} {state}" for state, number in moved.moved.items() if number]
    click.echo(f"{sum(moved.moved.values()):,} moved" + (f": {', '.join(parts)}" if parts else ""))


def _left(moved: Moved) -> list[str]:
    """What is not as it should be, a line each."""
    lines: list[str] = []
    if moved.running:
        lines.append(
            f"{moved.running} running jobs were left: a worker of the first store has to finish or"
            " recover them; then move again"
        )
    if moved.changed:
        lines.append(f"{moved.changed} jobs changed while they were moved: they are in both stores")
    if moved.lost:
        lines.append(
            f"{moved.lost} unique jobs were left: an equal one is in the second store already"
        )
    if moved.batched:
        lines.append(
            f"{moved.batched} members of batches were left: let them finish at the first store, or"
            " discard them; then move again"
        )
    return lines
