"""Values as people read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

__all__ = ["FILTERS", "LONGEST"]

LONGEST: Final = 10_000
"""Characters of arguments that a page shows; the rest can be loaded."""

_LARGE: Final = 10_000_000
_NOTHING: Final = "\N{EN DASH}"
_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
_STEPS: Final = ((2**30, "GB"), (2**20, "MB"), (2**10, "kB"))


def duration(seconds: float | None) -> str:
    """A duration in its two largest units."""
    if seconds is None:
        return _NOTHING
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    for (unit, name), (smaller, smaller_name) in pairwise(_UNITS):
        if seconds >= unit:
            whole, rest = divmod(seconds, unit)
            more = f" {rest // smaller:.0f} {smaller_name}" if rest >= smaller else ""
            return f"{whole:.0f} {name}{more}"
    return f"{seconds:.1f} s"


def within(seconds: float | None) -> str:
    """A duration that is no more than this."""
    if seconds == float("inf"):
        return "longer"
    return _NOTHING if seconds is None else f"\N{LESS-THAN OR EQUAL TO} {duration(seconds)}"


def ago(moment: datetime | None) -> str:
    """How far from now, in its largest unit."""
    if moment is None:
        return _NOTHING
    seconds = (datetime.now(UTC) - moment).total_seconds()
    far = largest(abs(seconds))
    if far == "0 s":
        return "now"
    return f"{far} ago" if seconds > 0 else f"in {far}"


def largest(seconds: float) -> str:
    """A duration in its largest unit alone."""
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return "0 s"


def utc(moment: datetime | None) -> str:
    """A moment for machines, which the page's script turns into the reader's own time."""
    return "" if moment is None else moment.isoformat(timespec="seconds")


def exact(moment: datetime | None) -> str:
    """A moment for people."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def number(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}"


def large(value: int) -> str:
    """The same where there is room for eight digits."""
    return number(value) if value < _LARGE else f"{value / 1e6:,.1f} M"


def size(value: int) -> str:
    """An amount of memory, given in bytes."""
    for step, name in _STEPS:
        if value >= step:
            return f"{value / step:,.0f} {name}"
    return _NOTHING if not value else f"{value} B"


def call(args: list[Any], kwargs: Mapping[str, Any]) -> str:
    """Arguments in one line, as they stand in a call, cut to what a table has room for."""
    parts = [*map(_brief, args), *(f"{name}={_brief(value)}" for name, value in kwargs.items())]
    return _cut(", ".join(parts), 160)


def pretty(value: Any) -> str:
    """JSON over several lines, cut where a page would burst."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return printable(text if len(text) <= LONGEST else text[:LONGEST] + "\n…")


def address(name: str) -> str:
    """A name as a part of an address."""
    return quote(name, safe="")


def printable(value: object) -> str:
    """Text without characters that could turn a line around or hide something."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "address": address,
    "ago": ago,
    "duration": duration,
    "exact": exact,
    "large": large,
    "largest": largest,
    "number": number,
    "pretty": pretty,
    "printable": printable,
    "size": size,
    "utc": utc,
    "within": within,
    "brief": lambda job: call(job.args, job.kwargs),
}


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _brief(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str), 60)


def _cut(text: str, longest: int) -> str:
    text = printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"
