"""Where a page of jobs ended, as opaque text."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from jobkit.adapter import State

__all__ = ["decoded", "encoded"]

_WHOLE: Final = 2**63
"""Databases have no whole numbers from here on."""


def encoded(state: State, position: Sequence[str | float]) -> str:
    """The cursor for the row at that position in the order of the state's list."""
    text = json.dumps([state.value, *position])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(cursor: str, state: State, kinds: Sequence[type]) -> list[Any]:
    """The position, its parts of these types. Raises ValueError for anything else."""
    try:
        made_for, *position = _parts(cursor)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{cursor[:200]!a} is no cursor: take it from the page before") from error
    if made_for != state.value or [type(part) for part in position] != list(kinds):
        raise ValueError(
            f"{cursor[:200]!a} is no cursor for this list: take it from the page before"
        )
    return position


def _parts(cursor: str) -> list[Any]:
    padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
    parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    # What no database takes is found out here, not there.
    if any(type(part) is int and not -_WHOLE < part < _WHOLE for part in parts):
        raise ValueError("a number is too large")
    json.dumps(parts, ensure_ascii=False).encode()
    return list(parts)
