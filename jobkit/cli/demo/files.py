"""The text files that the demo counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

__all__ = ["KINDS", "text_files"]

KINDS: Final = (".py", ".txt", ".md", ".rst")
"""The endings by which a text file is known."""

_LARGEST: Final = 2**20
_NOT_OURS: Final = frozenset({"__pycache__", "site-packages", "dist-packages"})


def text_files(folder: Path, *, limit: int) -> list[Path]:
    """The first `limit` text files of at most 1 MiB below the folder, by name.

    What is hidden, cached or installed is left out.
    """
    return list(islice(_found(folder), limit))


def _found(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_ours(name))
        for name in sorted(names):
            file = Path(here, name)
            if name.endswith(KINDS) and _is_countable(file):
                yield file


def _is_ours(name: str) -> bool:
    return name not in _NOT_OURS and not name.startswith(".")


def _is_countable(file: Path) -> bool:
    """True for a file of a fitting size whose name is text, as arguments of jobs must be."""
    try:
        str(file).encode()
        return file.is_file() and file.stat().st_size <= _LARGEST
    except (OSError, UnicodeEncodeError):
        return False
