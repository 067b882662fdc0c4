"""How the command line was called, for the command that has to call it again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jobkit.worker.link import Link

__all__ = ["Invocation"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """`words` are the command line's, without the program's name.

    `link`: this is a worker process, and that its line to its supervisor; `again`: it is not the
    first. `tether`: a file descriptor that is closed when whoever called is gone.
    """

    words: Sequence[str]
    link: Link | None = None
    again: bool = False
    tether: int | None = None

    @classmethod
    def current(cls) -> Invocation:
        """The one that the running command belongs to."""
        return click.get_current_context().find_object(cls) or cls(sys.argv[1:])

    def child(self, line: int, board: int, *, again: bool) -> list[str]:
        """The command line of a worker process that does what this one was called for."""
        # What a worker needs is not loaded for every command.
        from jobkit.worker.command import module_command  # noqa: PLC0415

        turn = "again" if again else "first"
        return [*module_command("jobkit.cli.child"), str(line), str(board), turn, *self.words]
