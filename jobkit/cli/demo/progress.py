"""How far the demo is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Final

import click

__all__ = ["Progress"]

_WIDTH: Final = 40
_TO_START_AND_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Shows how many jobs have ended, not too often; says nothing when it is `silent`."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._draws = sys.stdout.isatty()
        self._pause = 0.1 if self._draws else 1.0
        self._shown_at = time.monotonic()
        self._open = False

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self._silent:
            click.echo(text)

    def show(self, ended: int, jobs: int) -> None:
        """So many of the jobs have ended."""
        now = time.monotonic()
        if self._silent or (ended < jobs and now - self._shown_at < self._pause):
            return
        self._shown_at = now
        text = f"{ended:,} of {jobs:,} jobs"
        self._open = self._draws
        click.echo(_drawn(ended / jobs, text) if self._draws else text, nl=not self._draws)

    def close(self) -> None:
        """Leave the bar behind, so that the next text has a line of its own."""
        if self._open:
            click.echo()
            self._open = False


def _drawn(share: float, text: str) -> str:
    bar = ("#" * int(_WIDTH * share)).ljust(_WIDTH, ".")
    return f"{_TO_START_AND_CLEAR}[{bar}] {text}"
