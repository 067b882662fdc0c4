"""From the words of a command line to the exit of the process."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from jobkit.cli import cli
from jobkit.cli.invocation import Invocation
from jobkit.cli.output import printable
from jobkit.errors import JobkitError

__all__ = ["main"]

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells say it."""


def main(arguments: Sequence[str] | None = None, *, tether: int | None = None) -> None:
    """Run a command and exit: 0, 1 for what went wrong (a line on stderr), 2 for wrong usage.

    An error that jobkit did not foresee keeps its traceback. `tether`: see `jobkit.cli.tethered`.
    """
    try:
        words = sys.argv[1:] if arguments is None else list(arguments)
        call = Invocation(words, tether=tether)
        code = cli.main(words, prog_name="jobkit", standalone_mode=False, obj=call)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        click.echo("Aborted.", err=True)
        sys.exit(1)
    except JobkitError as error:
        click.echo(f"Error: {printable(' '.join(str(error).split()))}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
