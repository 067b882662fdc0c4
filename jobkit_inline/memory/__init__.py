"""`MemoryAdapter`: a whole store in one process, and the reference of the adapter protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit import lazy  # not from jobkit.lazy, which jobkit loads: see there

if TYPE_CHECKING:
    from jobkit_inline.memory.adapter import MemoryAdapter
else:
    # Its modules are parts of the other adapters here, which are loaded beside it.
    __getattr__, __dir__ = lazy.lazily(__name__, {"adapter": ("MemoryAdapter",)})

__all__ = ["MemoryAdapter"]
