"""`jobkit worker`: running jobs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from jobkit import backends, jobs, settings
from jobkit.cli import logs
from jobkit.cli.application import app_option, import_modules
from jobkit.cli.collecting import collect_as_usual
from jobkit.cli.invocation import Invocation
from jobkit.cli.observed import observers
from jobkit.cli.options import Store, setting_option, store_options
from jobkit.cli.reloading import reloading
from jobkit.errors import ConfigurationError
from jobkit.settings import Queues, Settings
from jobkit.supervisor import Plan, Supervisor
from jobkit.worker import WorkerOptions
from jobkit.worker.wire import Hello

if TYPE_CHECKING:
    from jobkit.worker.link import Link

__all__ = ["command"]


def _queues(ctx: click.Context, param: click.Parameter, specs: tuple[str, ...]) -> Queues | None:
    """The queues, or None when none was given."""
    try:
        return Queues.parse(specs) if specs else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The address, or None when none was given."""
    from jobkit.settings.model import check_address  # noqa: PLC0415 - pydantic, for those who run

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
    configured = _configured(batched=call.link is not None)
    if call.link is not None:
        return _work(store, call.link, burst=burst, again=call.again)
    with ExitStack() as around:
        if reload:
            around.enter_context(reloading(configured.imports))
        watching = around.enter_context(observers(configured.health, store.backend))
        plan = Plan(
            processes=configured.processes,
            stall_timeout=configured.stall_timeout,
            burst=burst,
            tether=call.tether,
            observers=watching,
        )
        return Supervisor(call.child, plan).run()


def _work(store: Store, link: Link, *, burst: bool, again: bool) -> int:
    """Be one of the supervisor's processes."""
    # Loaded here: the supervisor, which reads the same command line, needs none of it.
    from jobkit.entries import own_entries  # noqa: PLC0415 - as above
    from jobkit.worker.life import run_supervised  # noqa: PLC0415 - as above

    import_modules(settings.current().imports)
    configured = _configured(batched=True)  # the application may have configured more
    own_entries(store.backend)  # a mistake in one is better noticed now
    adapter = backends.get_adapter(store.backend)
    url = backends.shared_url(store.backend)
    options = _options(configured, burst=burst, again=again)
    collect_as_usual()  # all is loaded
    return run_supervised(
        adapter,
        replace(options, backend=store.backend, url=url),
        link,
        url=url,
        hello=Hello(configured.processes, configured.shutdown_timeout, configured.stall_timeout),
    )


def _configured(*, batched: bool) -> Settings:
    """What is configured so far, which the log then obeys. Raises ConfigurationError."""
    configured = settings.current()
    logs.set_up(configured.log_level, configured.log_format, batched=batched)
    if configured.queues is not None:
        try:
            configured.queues.check_threads(configured.concurrency)
        except ValueError as error:
            raise ConfigurationError(f"{settings.where('queues')}: {error}") from None
    return configured


def _options(configured: Settings, *, burst: bool, again: bool) -> WorkerOptions:
    """How the worker is to work; only the first worker's wait for the store is bounded."""
    most = configured.max_memory
    return WorkerOptions(
        queues=configured.queues or Queues(tuple(jobs.constant_queues())),
        concurrency=configured.concurrency,
        lease=configured.lease,
        shutdown_timeout=configured.shutdown_timeout,
        boot_timeout=None if again else configured.boot_timeout,
        burst=burst,
        max_jobs=configured.max_jobs,
        max_memory=None if most is None else most << 20,
        application=" ".join(configured.imports) or "code",
    )
