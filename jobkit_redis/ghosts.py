"""Locks whose jobs others took: Ruby's workers and pages know nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Final

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.locks import Lock
from jobkit_redis.keys import encoded
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store

__all__ = ["Find", "Ghosts"]

Find = Callable[[Sequence[str]], list[StoredJob]]

_TRUSTED: Final = 5.0
"""Seconds for which a job that was seen is taken to be there still: a search reads everything."""

_MANY: Final = 1_000
_OVER: Final = (State.DEAD, State.COMPLETED)


class Ghosts:
    """Frees locks of jobs that are nowhere, where others may have taken them.

    That is where the keys are Sidekiq's own. Elsewhere nobody removes a job but jobkit's scripts,
    which free its lock in the same step.
    """

    def __init__(self, store: Store, find: Find) -> None:
        self._store = store
        self._find = find
        self._seen: dict[str, float] = {}
        """Jobs with locks, and when they were found."""

    def lay(self, locks: Sequence[Lock | None]) -> None:
        """Free those of the locks whose jobs are gone or have ended, unless one moved just now."""
        if self._store.location.namespace:
            return
        names = list({lock.name for lock in locks if lock is not None and lock.is_held})
        owners = self._owners(names)
        alive = self._alive({*owners.values()})
        gone = [
            part
            for name, owner in owners.items()
            if owner not in alive
            for part in (encoded(name), encoded(owner))
        ]
        if gone:
            self._store.run("forget", [self._store.keys.locks], gone)

    def _owners(self, names: Sequence[str]) -> dict[str, str]:
        if not names:
            return {}
        (found,) = self._store.here.pool.ask(("HMGET", self._store.keys.locks, *names))
        return {
            name: decoded(owner)
            for name, owner in zip(names, found, strict=True)
            if owner is not None
        }

    def _alive(self, jobs: Collection[str]) -> set[str]:
        now = monotonic()
        known = {job for job in jobs if now - self._seen.get(job, -_TRUSTED) < _TRUSTED}
        found = self._found({*jobs} - known)
        found |= self._found({*jobs} - known - found)  # one may have moved past the search
        if len(self._seen) > _MANY:
            self._seen.clear()
        self._seen.update(dict.fromkeys(found, now))
        return known | found

    def _found(self, jobs: Collection[str]) -> set[str]:
        stored = self._find([*jobs]) if jobs else []
        return {each.payload.id for each in stored if each.state not in _OVER}
