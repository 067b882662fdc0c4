"""`MemoryAdapter`: a whole store in one process, and the reference of the adapter protocol."""

from jobkit_inline.memory.adapter import MemoryAdapter

__all__ = ["MemoryAdapter"]
