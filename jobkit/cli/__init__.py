"""The command line: one module for each command or group, loaded when it is called."""

from __future__ import annotations

import click

import jobkit
from jobkit.cli.lazy import LazyGroup

__all__ = ["cli"]

_COMMANDS = {
    "worker": "Run jobs until told to stop.",
    "jobs": "List, show and change jobs; enqueue one; move all to another store.",
    "queues": "List, pause, resume and clear queues.",
    "workers": "List, quiet and stop workers.",
    "cron": "List, run, pause and resume recurring jobs.",
    "batches": "List and show batches, cancel them, retry what failed.",
    "stats": "Show totals and sizes.",
    "dashboard": "Serve the web pages.",
    "check": "Tell what is wrong with configuration, stores, schema and imports.",
    "db": "Create, check and print the schema of a SQL store.",
    "completion": "Print what a shell needs to complete these commands.",
    "demo": "Count the words of many files, a job for each, and show how that went.",
}
"""Each command's module below `jobkit.cli`, with what `jobkit --help` says of it."""


@click.group(
    cls=LazyGroup,
    modules=_COMMANDS,
    context_settings={"auto_envvar_prefix": "JOBKIT", "help_option_names": ["-h", "--help"]},
)
@click.version_option(jobkit.__version__, prog_name="jobkit")
def cli() -> None:
    """Run and operate background jobs."""
