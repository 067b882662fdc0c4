"""What several tests of the SQL adapter use."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from jobkit_sql import SqlAdapter

NOBODY = 65534


def run(script: str, *arguments: object, timeout: float = 30) -> str:
    """What the script prints, in a Python of its own. Fails when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user whom permissions bind, as root is not."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def readable_by_all(directory: Path) -> Iterator[None]:
    """The directory reachable for every user; pytest makes it for its own only."""
    closed = [each for each in (directory, *directory.parents) if not each.stat().st_mode & 0o005]
    modes = {each: each.stat().st_mode for each in closed}
    for each, mode in modes.items():
        each.chmod(mode | 0o055)
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


@contextmanager
def statements(adapter: SqlAdapter) -> Iterator[list[tuple[Connection, str, Any]]]:
    """Collects what is executed on any engine meanwhile."""
    seen: list[tuple[Connection, str, Any]] = []

    def note(
        connection: Connection, cursor: object, sql: str, parameters: object, *_: object
    ) -> None:
        seen.append((connection, sql, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
