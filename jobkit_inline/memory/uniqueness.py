"""Unique jobs of a memory store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobkit.adapter import State
from jobkit.batching import How
from jobkit.capabilities import SupportsUnique
from jobkit.errors import AdapterError
from jobkit.locks import Lock, OnConflict, lost_to
from jobkit.payload import Payload
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Envelope, check_text
from jobkit_inline.memory.store import OVER, Store

__all__ = ["Uniqueness", "admit", "admit_all", "readable"]


class Uniqueness(Handle, SupportsUnique):
    """Stores the jobs whose locks are free."""

    def enqueue_unique(
        self, payloads: Sequence[Payload], *, through: Any = None
    ) -> list[str | None]:
        del through  # no transaction of anybody's reaches here
        envelopes = readable(payloads)
        with self._lock:
            return admit_all(self._store, payloads, envelopes, self._clock.time())


def readable(payloads: Sequence[Payload]) -> list[Envelope]:
    """What the store reads of them. Raises PayloadError, or AdapterError for what is no text."""
    envelopes = [Envelope.of(payload) for payload in payloads]
    try:
        for payload in payloads:
            check_text(payload)
    except UnicodeEncodeError as error:
        raise AdapterError(f"the store refuses a value: {error}") from error
    return envelopes


def admit_all(
    store: Store, payloads: Sequence[Payload], envelopes: Sequence[Envelope], now: float
) -> list[str | None]:
    """Store those whose locks are free; what the others lost to. Raises DuplicateJob before."""
    _refuse(store, payloads, now)
    return [
        admit(store, payload, envelope, now)
        for payload, envelope in zip(payloads, envelopes, strict=True)
    ]


def admit(store: Store, payload: Payload, envelope: Envelope, now: float) -> str | None:
    """Store the job if its lock is free, or can be had; else the id of the job it lost to."""
    lock = Lock.of(payload)
    if lock is None or store.find(payload.id) is not None:
        store.add(payload, envelope, now)
        return None
    winner = _holder(store, lock, now)
    if winner is not None:
        if not _gives_way(store, lock, winner):
            return winner
        waiting = store.find(winner)
        if waiting is not None:
            store.remove(waiting)
            store.end_member(waiting, How.REMOVED, now)
    if not lock.is_held:
        store.times[lock.name] = (lock.ends_at(payload, now), payload.id)
    store.add(payload, envelope, now, lock=lock.name if lock.is_held else "")
    return None


def _refuse(store: Store, payloads: Sequence[Payload], now: float) -> None:
    """Raise DuplicateJob if one of them must not lose, and would."""
    taken: dict[str, str] = {}
    for payload in payloads:
        lock = Lock.of(payload)
        if lock is None or store.find(payload.id) is not None:
            continue
        winner = taken.get(lock.name) or _holder(store, lock, now)
        lost = winner not in (None, payload.id)
        if winner is not None and lost and lock.on_conflict is OnConflict.RAISE:
            raise lost_to(winner, payload)
        if not lost or (winner in taken.values() and lock.on_conflict is OnConflict.REPLACE):
            taken[lock.name] = payload.id


def _holder(store: Store, lock: Lock, now: float) -> str | None:
    if lock.is_held:
        return store.holder(lock.name)
    for name in [name for name, (ends, _) in store.times.items() if ends <= now]:
        del store.times[name]
    return store.times[lock.name][1] if lock.name in store.times else None


def _gives_way(store: Store, lock: Lock, winner: str) -> bool:
    job = store.find(winner)
    waits = job is not None and job.state not in (State.RUNNING, *OVER)
    return waits and lock.on_conflict is OnConflict.REPLACE
