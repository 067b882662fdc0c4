"""What the commands print: JSON for programs, aligned text for people."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any

import click

__all__ = ["moment", "print_json", "print_table", "printable"]

_GAP = "  "


def printable(value: object) -> str:
    """The value as text that moves no cursor and breaks no line: escapes for all but characters."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def moment(at: datetime | None) -> str:
    """The time for people, in UTC."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def print_json(value: object) -> None:
    """Print the value on one line; values of our classes as objects, times as ISO 8601."""
    click.echo(json.dumps(value, default=_plain))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns, each line cut to the terminal's width where there is a terminal."""
    cells = [list(headers), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo(_cut(_GAP.join(padded).rstrip()))


def _cut(line: str) -> str:
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else line[: width - 1] + "…"


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        told = {field: getattr(value, field.name) for field in fields(value) if field.compare}
        return {
            field.name: content
            for field, content in told.items()
            if content or not field.metadata.get("only_if_true")
        }
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not printed as JSON")
