"""Promises about seconds, kept on a machine that does other things besides."""

from __future__ import annotations

import os

__all__ = ["within"]


def within(seconds: float) -> float:
    """What takes so long on an idle machine may take this long on one as busy as this is now."""
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(1.0, waiting)
