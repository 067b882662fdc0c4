"""What JSON has and every store keeps, and how other values are refused."""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = ["DEEPEST", "Unstorable", "ascii_cut", "check_json", "shown"]

DEEPEST: Final = 64
"""Levels of nesting an argument may have."""

_MOST_BITS: Final = 14_000  # just below the 4,300 digits that Python's own decoder stops at
_SHOWN: Final = 200


class Unstorable(Exception):
    """Why a value cannot be stored, as the end of a sentence about it.

    What shows some of the value's data stands apart in `told`: a redacted one keeps it to itself.
    """

    def __init__(self, why: str, told: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.told = told


def check_json(value: Any, remedy: str = "", depth: int = DEEPEST) -> None:
    """Raise Unstorable unless the value is exactly what JSON has and every store keeps."""
    kind = type(value)
    if value is None or kind is bool:
        return
    if kind is str:
        _check_text(value)
    elif kind is int:
        if value.bit_length() > _MOST_BITS:
            raise Unstorable("has too many digits")
    elif kind is float:
        if not math.isfinite(value):
            raise Unstorable("is no number that JSON has")
    elif kind is list or kind is dict:
        _check_container(value, remedy, depth)
    else:
        raise Unstorable(f"is no JSON value{': ' if remedy else ''}{remedy}")


def shown(value: object) -> str:
    """The value for an error text: plain ASCII, cut short, whatever its `repr` does."""
    try:
        return _cut(ascii(value))
    except Exception:  # noqa: BLE001 - any repr may do anything
        return f"<{type(value).__name__} whose repr fails>"


def ascii_cut(text: str) -> str:
    """The text as an error text may hold it: plain ASCII, cut short."""
    return _cut(text.encode("ascii", "backslashreplace").decode())


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _check_container(value: list[Any] | dict[Any, Any], remedy: str, depth: int) -> None:
    if not depth:
        raise Unstorable(f"is nested deeper than {DEEPEST} levels")
    if isinstance(value, list):
        for item in value:
            check_json(item, remedy, depth - 1)
        return
    for key, item in value.items():
        if type(key) is not str:
            raise Unstorable("has a key that is not text", shown(key))
        _check_text(key)
        check_json(item, remedy, depth - 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise Unstorable("holds a NUL character, which not every store keeps")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unstorable("holds a lone surrogate, which is not valid text") from None
