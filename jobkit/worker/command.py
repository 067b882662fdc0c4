"""How another process of this program is started."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["module_command"]


def module_command(module: str) -> list[str]:
    """The start of a command that runs the module as this process runs: interpreter and flags."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined] # as multiprocessing does
    # `-m` puts the working directory first, whose modules could stand in for installed ones: not
    # unless it is there already, as it is when this process was started that way.
    safe = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]  # noqa: PTH109 - the entry is text
    return [sys.executable, *flags, *safe, "-m", module]
