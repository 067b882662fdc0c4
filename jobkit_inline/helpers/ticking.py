"""Recurring entries in virtual time, for `drain`."""

from __future__ import annotations

from typing import Final

from jobkit import settings
from jobkit.entries import RecurringEntries, own_entries
from jobkit.entries.ticker import Ticker
from jobkit_inline.fake import NEVER, FakeAdapter

__all__ = ["Ticks", "publish"]

_OWNER: Final = "drain"


def publish(adapter: FakeAdapter) -> None:
    """Have the adapter keep what the application declares and configures, as a worker's start does.

    For every backend, as the adapter answers for them all. Raises ConfigurationError for a bad one.
    """
    names = {"default", *settings.current().backends}
    entries = {name: each for backend in names for name, each in own_entries(backend).items()}
    RecurringEntries(adapter).publish(entries, _OWNER)


class Ticks:
    """Enqueues what is due, and tells when to look again, in seconds since the epoch."""

    def __init__(self, adapter: FakeAdapter) -> None:
        self._ticker = Ticker(adapter, owner=_OWNER)
        self._entries = RecurringEntries(adapter)

    def __call__(self) -> float:
        self._ticker.look()
        moments = [entry.next_at.timestamp() for entry in self._entries.list() if entry.next_at]
        return min(moments, default=NEVER)
