"""Where a page of jobs ended, as opaque text."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from jobkit.adapter import State

__all__ = ["decoded", "encoded"]


def encoded(state: State, position: Sequence[str | float]) -> str:
    """The cursor for the row at that position in the order of the state's list."""
    text = json.dumps([state.value, *position])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(cursor: str, state: State, kinds: Sequence[type]) -> list[str | float]:
    """The position, its parts of these types. Raises ValueError for anything else."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        made_for, *position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise ValueError(f"{cursor!r} is no cursor: take it from the page before") from error
    if made_for != state.value or [type(part) for part in position] != list(kinds):
        raise ValueError(f"{cursor!r} is no cursor for {state} jobs: take it from the page before")
    return list(position)
