"""`jobkit worker`: running jobs."""

from __future__ import annotations

from typing import Any

import click

from jobkit import settings
from jobkit.cli.application import app_option
from jobkit.cli.invocation import Invocation
from jobkit.cli.options import Store, setting_option, store_options
from jobkit.settings import Queues

__all__ = ["command"]


def _queues(ctx: click.Context, param: click.Parameter, specs: tuple[str, ...]) -> Queues | None:
    """The queues, or None when none was given."""
    try:
        return Queues.parse(specs) if specs else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The address, or None when none was given."""
    from jobkit.settings.model import check_address  # noqa: PLC0415 - for those who run

    try:
        return value if value is None else check_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}: give HOST:PORT.", ctx, param) from error


@click.command()
@app_option
@setting_option(
    "-q",
    "--queue",
    "queues",
    variable="JOBKIT_QUEUES",
    multiple=True,
    callback=_queues,
    metavar="NAME[@THREADS][,WEIGHT]",
    text="A queue to serve; in strict order unless weighted; may be repeated. NAME@2: on two "
    "threads of its own.",
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
    text="Worker processes, each with as many threads.",
)
@click.option("--burst", is_flag=True, show_envvar=True, help="Leave when there is nothing to do.")
@click.option(
    "--reload", is_flag=True, show_envvar=True, help="Replace the processes when the code changes."
)
@setting_option(
    "--max-jobs",
    variable="JOBKIT_MAX_JOBS",
    type=click.IntRange(min=1),
    metavar="N",
    text="Replace a process after so many jobs.",
)
@setting_option(
    "--max-memory",
    variable="JOBKIT_MAX_MEMORY",
    type=click.IntRange(min=1),
    metavar="MB",
    text="Replace a process that has taken more memory, when nothing runs in it.",
)
@setting_option(
    "--shutdown-timeout",
    variable="JOBKIT_SHUTDOWN_TIMEOUT",
    type=click.FloatRange(min=0),
    metavar="S",
    text="Seconds that running jobs get when the worker stops.",
)
@setting_option(
    "--boot-timeout",
    variable="JOBKIT_BOOT_TIMEOUT",
    type=click.FloatRange(min=0),
    metavar="S",
    text="Seconds to wait for a store that is away at the start; by default for ever.",
)
@setting_option(
    "--health",
    variable="JOBKIT_HEALTH",
    callback=_address,
    metavar="HOST:PORT",
    text="Answer probes here: /live, /ready and, with Prometheus, /metrics.",
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
def command(
    store: Store, /, *, imports: tuple[str, ...], burst: bool, reload: bool, **flags: Any
) -> int:
    """Run jobs until told to stop."""
    settings.override(imports=imports or None, **flags)
    call = Invocation.current()
    # Loaded here: of what runs jobs the supervisor needs nothing, and a process of its has none.
    if call.link is not None:
        from jobkit.cli.working import work  # noqa: PLC0415 - as above

        return work(store.backend, call.link, burst=burst, again=call.again)
    from jobkit.cli.supervising import supervise  # noqa: PLC0415 - as above

    return supervise(store.backend, call, burst=burst, reload=reload)
