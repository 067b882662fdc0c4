"""How far a long command is, on stderr, where somebody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

import click

__all__ = ["Tell", "has_rich", "progress"]

Tell = Callable[[int], None]
"""Takes how many are done so far."""

_EVERY: Final = 0.1
"""Seconds between two lines drawn."""


@contextmanager
def progress(title: str, total: int | None = None) -> Generator[Tell]:
    """Shows progress inside the block: with rich where that is installed, else a plain line.

    Where stderr is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    with (_rich if has_rich() else _plain)(title, total) as tell:
        yield tell


def has_rich() -> bool:
    """True where the extra `rich` is installed."""
    return find_spec("rich") is not None


@contextmanager
def _rich(title: str, total: int | None) -> Generator[Tell]:
    from rich import progress as bars  # noqa: PLC0415 - an extra
    from rich.console import Console  # noqa: PLC0415 - as above

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.update(task, completed=done)


@contextmanager
def _plain(title: str, total: int | None) -> Generator[Tell]:
    drawn = 0.0

    def tell(done: int) -> None:
        nonlocal drawn
        if time.monotonic() - drawn >= _EVERY or done == total:
            drawn = time.monotonic()
            click.echo(f"\r{title}: {done:,}{_of(done, total)}", nl=False, err=True)

    try:
        yield tell
    finally:
        click.echo(err=True)


def _of(done: int, total: int | None) -> str:
    if not total:
        return ""
    return f" of {total:,} ({min(100, 100 * done // total)} %)"
