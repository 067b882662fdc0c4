"""Importing the application: only `worker`, `check` and `demo` do."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Final

import jobkit
from jobkit.cli.options import setting_option
from jobkit.errors import ConfigurationError

__all__ = ["app_option", "import_modules"]

_JOBKIT: Final = str(Path(jobkit.__file__).parent)
_IMPORTLIB: Final = str(Path(importlib.__file__).parent)

app_option = setting_option(
    "-A",
    "--app",
    "imports",
    variable="JOBKIT_IMPORTS",
    multiple=True,
    metavar="MODULE",
    text="A module that defines jobs; may be repeated.",
)
"""Passed as `imports`; empty when not given."""


def import_modules(modules: Iterable[str]) -> None:
    """Import what defines the jobs, with the working directory on the path.

    Raises ConfigurationError that tells a missing module from one that fails, with the place.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    for module in modules:
        _import(module)


def _import(module: str) -> None:
    try:
        import_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(_problem(module, error)) from error


def _problem(module: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and _is_missing(module, error.name):
        return f"there is no module {module!a}, seen from {Path.cwd()}: name one with -A or imports"
    return f"the import of {module!a} failed{_place(error)}: {type(error).__name__}: {error}"


def _is_missing(module: str, missing: str | None) -> bool:
    """True if the module itself, or a package around it, is not there."""
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def _place(error: BaseException) -> str:
    """The file and line that failed, the application's own rather than a library's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {error.filename}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_ours(f.filename)]
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return f" at {(own or frames)[-1].filename}:{(own or frames)[-1].lineno}" if frames else ""


def _is_ours(filename: str) -> bool:
    """True for the files of jobkit and of Python's import system, which stand in every trace."""
    return filename.startswith((_JOBKIT, _IMPORTLIB, "<frozen importlib"))
