"""Answers to plain commands, which RESP2 and RESP3 shape differently. Scripts answer alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["pairs"]


def pairs(reply: Any) -> Iterator[tuple[Any, Any]]:
    """What HGETALL or a WITHSCORES answers, two by two."""
    if isinstance(reply, Mapping):
        return iter(reply.items())
    if reply and isinstance(reply[0], (list, tuple)):
        return ((first, second) for first, second in reply)
    return zip(reply[::2], reply[1::2], strict=True)
