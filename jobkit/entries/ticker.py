"""Enqueueing what is due: every worker does, and the store lets one of them."""

from __future__ import annotations

import logging
from typing import Final

from jobkit import events, middleware
from jobkit.adapter import Enqueues
from jobkit.capabilities import StoredEntry, SupportsTicks
from jobkit.entries.declared import own_entries
from jobkit.entries.due import due
from jobkit.entries.entry import Entry
from jobkit.entries.jobs import payload_for
from jobkit.entries.recurring import RecurringEntries

__all__ = ["Ticker"]

_log = logging.getLogger("jobkit.recurring")
_NEVER: Final = float("inf")


class Ticker:
    """Looks which entries of one store are due, and enqueues their jobs."""

    def __init__(self, adapter: Enqueues, *, owner: str, backend: str = "default") -> None:
        """`owner` names the application, `backend` the store as its configuration does."""
        self._adapter = adapter
        self._owner = owner
        self._backend = backend
        self._read: dict[str, Entry | None] = {}
        self._failed: set[tuple[str, float]] = set()

    def publish(self) -> None:
        """Tell the store the application's own entries. Raises ConfigurationError for a bad one."""
        entries = own_entries(self._backend)
        if isinstance(self._adapter, SupportsTicks):
            RecurringEntries(self._adapter).publish(entries, self._owner)
        elif entries:
            name = type(self._adapter).__name__
            _log.warning("%s keeps no recurring entries: they do not tick", name)

    def look(self) -> float:
        """Enqueue what is due; the seconds until the next tick."""
        if not isinstance(self._adapter, SupportsTicks):
            return _NEVER
        now, stored = self._adapter.entries()
        waits = [self._enqueue(self._adapter, each, now) for each in stored if not each.paused]
        return min(waits, default=_NEVER)

    def _enqueue(self, ticks: SupportsTicks, stored: StoredEntry, now: float) -> float:
        entry = self._entry(stored)
        if entry is None:
            return _NEVER
        schedule = entry.schedule()
        wanted = due(
            schedule, last=stored.last, now=now, catch_up=entry.catch_up, grace=entry.grace
        )
        for at in wanted:
            self._tick(ticks, entry, at, now)
        following = schedule.next(now)
        return _NEVER if following is None else following - now

    def _tick(self, ticks: SupportsTicks, entry: Entry, at: float, now: float) -> None:
        if (entry.name, at) in self._failed:
            return
        try:
            payload = payload_for(entry, at, now)
        except Exception as error:  # noqa: BLE001 - the application's hooks may raise anything
            self._failed.add((entry.name, at))
            _log.error("the recurring entry %r cannot be enqueued: %s", entry.name, error)
            middleware.notify("on_error", None, error)
            return
        if payload is not None and ticks.tick(entry.name, at, payload):
            _log.debug("%s ticked: %s", entry.name, payload.id)
            events.emit("tick", adapter=self._adapter, entry=entry.name, at=at, id=payload.id)

    def _entry(self, stored: StoredEntry) -> Entry | None:
        if stored.text not in self._read:
            self._read[stored.text] = _readable(stored)
        return self._read[stored.text]


def _readable(stored: StoredEntry) -> Entry | None:
    try:
        return Entry.read(stored.text)
    except ValueError as error:
        _log.error("the recurring entry %r cannot be read: %s", stored.name, error)
        return None
