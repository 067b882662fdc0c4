"""`jobkit completion`: what a shell needs to complete the words of a command line."""

from __future__ import annotations

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_JOBKIT_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def command(*, shell: str | None) -> None:
    """Print what a shell needs to complete these commands.

    Of bash, zsh or fish; without a name of the one that $SHELL says. For bash this goes into
    ~/.bashrc: eval "$(jobkit completion bash)"
    """
    shell = shell or PurePath(os.environ.get("SHELL", "")).name
    completion = get_completion_class(shell) if shell in _SHELLS else None
    if completion is None:
        raise click.UsageError(f"name a shell: {', '.join(_SHELLS)}")
    program = click.get_current_context().find_root().command
    click.echo(completion(program, {}, "jobkit", _VARIABLE).source())
