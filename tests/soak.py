"""Whether the tests run at full size (`make soak`), for minutes, or at a tenth (`make test`)."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["SOAK"]

SOAK: Final = bool(os.environ.get("SOAK"))
