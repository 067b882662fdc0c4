"""What a worker process does with the command line of `jobkit worker`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from jobkit import backends, jobs
from jobkit.cli import logs
from jobkit.cli.application import import_modules
from jobkit.cli.collecting import collect_as_usual
from jobkit.cli.obeyed import obeyed
from jobkit.entries import own_entries
from jobkit.settings import Queues, Settings
from jobkit.worker import WorkerOptions
from jobkit.worker.life import run_supervised
from jobkit.worker.link import Link
from jobkit.worker.wire import Hello

__all__ = ["work"]

_set_up_log = partial(logs.set_up, batched=True)


def work(backend: str, link: Link, *, burst: bool, again: bool) -> int:
    """Be one of the supervisor's processes."""
    import_modules(obeyed(_set_up_log).imports)
    configured = obeyed(_set_up_log)  # the application may have configured more
    own_entries(backend)  # a mistake in one is better noticed now
    adapter = backends.get_adapter(backend)
    url = backends.shared_url(backend)
    options = _options(configured, burst=burst, again=again)
    collect_as_usual()  # all is loaded
    return run_supervised(
        adapter,
        replace(options, backend=backend, url=url),
        link,
        url=url,
        hello=Hello(configured.processes, configured.shutdown_timeout, configured.stall_timeout),
    )


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
