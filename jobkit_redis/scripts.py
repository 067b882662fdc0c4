"""The Lua scripts, one file each, with the parts that its first line names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Final

__all__ = ["Script", "script"]

_INCLUDE: Final = "-- include:"


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the digest by which a server knows it."""

    source: str
    digest: str


@cache
def script(name: str) -> Script:
    """The script of that name."""
    text = _text(f"{name}.lua")
    first = text.partition("\n")[0]
    parts = first.removeprefix(_INCLUDE).split() if first.startswith(_INCLUDE) else []
    source = "".join([*(_text(f"parts/{part}.lua") for part in parts), text])
    return Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


def _text(name: str) -> str:
    return (files("jobkit_redis") / "lua" / name).read_text(encoding="utf-8")
