"""Where a page of jobs ended, as opaque text."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from jobkit.adapter import State

__all__ = ["boundary", "decoded_cursor", "encoded_cursor"]


def encoded_cursor(state: State, *position: str | float) -> str:
    """The cursor of a place in the state's list."""
    return base64.urlsafe_b64encode(json.dumps([state.value, *position]).encode()).decode()


def decoded_cursor(cursor: str, state: State, kinds: Sequence[type]) -> list[Any]:
    """The place, its parts of these types. Raises ValueError for anything else."""
    try:
        made_for, *position = json.loads(base64.b64decode(cursor.encode("ascii"), b"-_", True))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{cursor!r} is no cursor: take it from the page before") from error
    if made_for != state.value or [type(part) for part in position] != list(kinds):
        raise ValueError(f"{cursor!r} is no cursor for this list: take it from the page before")
    return list(position)


def boundary(last: bytes, following: bytes, *, up: bool) -> bytes:
    """The shortest text that separates two members of a sorted set that stand side by side.

    Upwards it is above `last` and not above `following`; downwards it is the other way round. So
    a cursor stays short, and true when either of them is gone.
    """
    chosen = following if up else last
    common = next(
        (at for at, (one, other) in enumerate(zip(last, following, strict=False)) if one != other),
        min(len(last), len(following)),
    )
    return chosen[: common + 1]
