"""Small helps for wording errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that resembles `word` most; there is at least one."""
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)[0]
