"""How much of the chaos runs by default: a tenth, and everything with `SOAK=1` (`make soak`)."""

from __future__ import annotations

import os
from typing import Final

import pytest

__all__ = ["BUSY", "SOAK", "only_in_soak"]

SOAK: Final = bool(os.environ.get("SOAK"))

BUSY: Final = 0.9
"""The share of aimed acts that must hit a busy process; stores and networks are not aimed at."""

only_in_soak = pytest.mark.skipif(not SOAK, reason="takes minutes: make soak, or SOAK=1")
