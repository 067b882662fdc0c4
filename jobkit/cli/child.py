"""The worker process's side of `jobkit worker`: the same command line, with a supervisor.

`python -m jobkit.cli.child LINE BOARD first|again WORD…`, with the words of the supervisor's own
command line. Not meant to be called by anybody else.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from jobkit.cli import cli
from jobkit.cli.collecting import collect_rarely
from jobkit.cli.invocation import Invocation
from jobkit.errors import JobkitError
from jobkit.worker.life import leave
from jobkit.worker.link import Link, leave_signals_to_the_supervisor
from jobkit.worker.wire import Refused

__all__ = ["main"]


def main() -> NoReturn:
    """Work for the supervisor; what is wrong with the configuration is told to it, not printed."""
    collect_rarely()
    line, board, turn, *words = sys.argv[1:]
    leave_signals_to_the_supervisor()
    link = Link(int(line), int(board))
    link.listen()
    sys.argv = ["jobkit", *words]  # what the application sees
    invocation = Invocation(words, link, again=turn == "again")
    try:
        code = cli.main(words, prog_name="jobkit", standalone_mode=False, obj=invocation)
    except click.ClickException as error:
        code = _refused(link, error.format_message())
    except JobkitError as error:
        code = _refused(link, str(error))
    leave(int(code or 0))


def _refused(link: Link, reason: str) -> int:
    link.tell(Refused(reason))
    return 1


if __name__ == "__main__":
    main()
