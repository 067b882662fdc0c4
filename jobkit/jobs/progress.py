"""What a job says of how far it is."""

from __future__ import annotations

import math
from typing import Any, Final

from jobkit.failure import safe_text

__all__ = ["told"]

_LONGEST_NOTE: Final = 200


def told(done: object, total: object, note: str) -> dict[str, Any]:
    """The payload's field `progress`. Raises TypeError or ValueError for what is no number."""
    said: dict[str, Any] = {"done": _number("done", done)}
    if total is not None:
        said["total"] = _number("total", total)
    if note:
        said["note"] = safe_text(str(note)[:_LONGEST_NOTE])
    return said


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"progress: {name} is {ascii(value)[:200]}: give a number")
    if not math.isfinite(value):
        raise ValueError(f"progress: {name} is {value}: give a finite number")
    return value
