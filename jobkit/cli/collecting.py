"""The garbage collector while a program is loaded: next to nothing of that is garbage.

To look for it all the same takes a tenth of a worker process's start.
"""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["collect_as_usual", "collect_rarely"]

_USUAL: Final = gc.get_threshold()
_LOADING: Final = (100_000, 50, 50)


def collect_rarely() -> None:
    """Look for garbage only after very many new objects."""
    gc.set_threshold(*_LOADING)


def collect_as_usual() -> None:
    """As before, unless the application has said how by now."""
    if gc.get_threshold() == _LOADING:
        gc.set_threshold(*_USUAL)
