"""Driver errors that belong to one row rather than to the store."""

from __future__ import annotations

from jobkit.errors import AdapterError

__all__ = ["RowRefused"]


class RowRefused(AdapterError):
    """The store works and does not take this value: trying again cannot help."""
