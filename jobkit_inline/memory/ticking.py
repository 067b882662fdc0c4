"""Recurring entries of a memory store."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import Final

from jobkit.capabilities import StoredEntry, SupportsTicks
from jobkit.payload import Payload
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Envelope
from jobkit_inline.memory.uniqueness import admit

__all__ = ["Ticking"]

RUNS: Final = 10
"""Ticks that an entry's history holds."""


class Ticking(Handle, SupportsTicks):
    """Keeps entries by name, and enqueues each of their ticks once."""

    def entries(self) -> tuple[float, list[StoredEntry]]:
        with self._lock:
            found = sorted(self._store.entries.values(), key=attrgetter("name"))
            return self._clock.time(), found

    def put_entry(self, name: str, text: str, owner: str, *, anew: bool = False) -> None:
        with self._lock:
            now = self._clock.time()
            known = self._store.entries.get(name) or StoredEntry(name, text, owner, now)
            last = max(known.last, now) if anew else known.last
            self._store.entries[name] = replace(known, text=text, owner=owner, last=last)

    def remove_entry(self, name: str) -> bool:
        with self._lock:
            return self._store.entries.pop(name, None) is not None

    def pause_entry(self, name: str, *, paused: bool) -> bool:
        with self._lock:
            known = self._store.entries.get(name)
            if known is not None:
                last = max(known.last, self._clock.time())
                self._store.entries[name] = replace(known, paused=paused, last=last)
            return known is not None

    def tick(self, name: str, at: float, payload: Payload) -> bool:
        envelope = Envelope.of(payload)
        with self._lock:
            known = self._store.entries.get(name)
            if known is None or known.paused or at <= known.last:
                return False
            lost = admit(self._store, payload, envelope, self._clock.time()) is not None
            runs = known.runs if lost else ((at, payload.id), *known.runs[: RUNS - 1])
            self._store.entries[name] = replace(known, last=at, runs=runs)
        return True
