"""`jobkit worker`: running jobs."""

from __future__ import annotations

from typing import Any

import click

from jobkit import backends, jobs, settings
from jobkit.cli import logs
from jobkit.cli.application import app_option, import_modules
from jobkit.cli.options import Store, setting_option, store_options
from jobkit.entries import own_entries
from jobkit.errors import ConfigurationError
from jobkit.settings import Queues, Settings
from jobkit.worker import WorkerOptions, leave, run_process

__all__ = ["command"]


def _queues(ctx: click.Context, param: click.Parameter, specs: tuple[str, ...]) -> Queues | None:
    """The queues, or None when none was given."""
    try:
        return Queues.parse(specs) if specs else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command()
@app_option
@setting_option(
    "-q",
    "--queue",
    "queues",
    variable="JOBKIT_QUEUES",
    multiple=True,
    callback=_queues,
    metavar="NAME[,WEIGHT]",
    text="A queue to serve; in strict order unless weighted; may be repeated.",
)
@setting_option(
    "-c",
    "--concurrency",
    variable="JOBKIT_CONCURRENCY",
    type=click.IntRange(min=1),
    metavar="THREADS",
    text="Jobs that run at once.",
)
@setting_option(
    "-p",
    "--processes",
    variable="JOBKIT_PROCESSES",
    type=click.IntRange(min=1),
    metavar="PROCESSES",
    text="Worker processes; 1 for now.",
)
@click.option("--burst", is_flag=True, show_envvar=True, help="Leave when there is nothing to do.")
@setting_option(
    "--max-jobs",
    variable="JOBKIT_MAX_JOBS",
    type=click.IntRange(min=1),
    metavar="N",
    text="Leave after so many jobs.",
)
@setting_option(
    "--shutdown-timeout",
    variable="JOBKIT_SHUTDOWN_TIMEOUT",
    type=click.FloatRange(min=0),
    metavar="S",
    text="Seconds that running jobs get when the worker stops.",
)
@setting_option(
    "--log-level",
    variable="JOBKIT_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False),
    text="Write only what is of this level or above.",
)
@setting_option(
    "--log-format",
    variable="JOBKIT_LOG_FORMAT",
    type=click.Choice(["text", "json"]),
    text="A line of text, or of JSON, for each record.",
)
@store_options
def command(store: Store, /, *, imports: tuple[str, ...], burst: bool, **flags: Any) -> None:
    """Run jobs until told to stop."""
    settings.override(imports=imports or None, **flags)
    before = settings.current()
    logs.set_up(before.log_level, before.log_format)
    import_modules(before.imports)
    # The application may have configured more.
    after = settings.current()
    logs.set_up(after.log_level, after.log_format)
    options = _options(after, burst=burst, backend=store.backend)
    own_entries(store.backend)  # a mistake in one is better noticed now
    leave(run_process(backends.get_adapter(store.backend), options))


def _options(configured: Settings, *, burst: bool, backend: str) -> WorkerOptions:
    """How the worker is to work. Raises ConfigurationError for what is not offered yet."""
    queues = configured.queues or Queues(tuple(jobs.constant_queues()))
    _refuse("queues", "reserving threads for a queue", asked=bool(queues.reserved))
    _refuse("processes", "more than one process", asked=configured.processes > 1)
    _refuse("max_memory", "a limit of memory", asked=configured.max_memory is not None)
    return WorkerOptions(
        queues=queues,
        concurrency=configured.concurrency,
        lease=configured.lease,
        shutdown_timeout=configured.shutdown_timeout,
        boot_timeout=configured.boot_timeout,
        burst=burst,
        max_jobs=configured.max_jobs,
        backend=backend,
        application=" ".join(configured.imports) or "code",
    )


def _refuse(setting: str, what: str, *, asked: bool) -> None:
    """Better no worker than one that silently does not do what it was configured for."""
    if asked:
        raise ConfigurationError(f"{settings.where(setting)}: {what} is not offered yet")
