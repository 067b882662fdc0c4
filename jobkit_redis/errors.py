"""What may become of a command."""

from __future__ import annotations

from jobkit.errors import AdapterError

__all__ = ["Refused", "Unanswered"]


class Refused(AdapterError):
    """It was not done: the server said so, or was never reached."""


class Unanswered(AdapterError):
    """It was sent and no answer came: it may have been done."""
