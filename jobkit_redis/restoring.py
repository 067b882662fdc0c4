"""Taking jobs as another store had them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from itertools import islice
from typing import Any, Final

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.errors import PayloadError
from jobkit.payload import Payload
from jobkit.restoring import lock_of
from jobkit_redis.enqueue import REMEMBERED
from jobkit_redis.errors import Refused
from jobkit_redis.keys import encoded
from jobkit_redis.maintain import stamped
from jobkit_redis.placing import KeyList, Place, names, place_of
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store

__all__ = ["Restore"]

_CHUNK: Final = 200
"""Jobs of one script call: nobody else is served meanwhile."""

_ENQUEUED: Final = frozenset({State.ENQUEUED, State.BLOCKED})


class Restore:
    """See `SupportsRestore`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        """See `SupportsRestore.restore`."""
        waiting, winners = iter(jobs), list[str | None]()
        while chunk := list(islice(waiting, _CHUNK)):
            winners += self._send(chunk)
        return winners

    def _send(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        store, keys = self._store, self._store.keys
        named = KeyList(keys, keys.queues, keys.sequence, keys.locks)
        try:
            parts = [part for job in jobs for part in self._arguments(job, named)]
        except UnicodeEncodeError as error:
            raise Refused(f"the store keeps no half characters: {error}") from error
        wake = names(store.waking(named.queues))
        head = [store.now, keys.channel, len(wake), *wake, REMEMBERED]
        told: list[bytes] = store.run("restore", named.all, head + parts)
        return [decoded(winner) or None for winner in told]

    def _arguments(self, job: StoredJob, named: KeyList) -> tuple[Any, ...]:
        lock, job_id = lock_of(job), _id(job)
        once = named.at(named.once(f"restored:{job_id}"))
        described = (once, encoded(lock.name) if lock else "", encoded(job_id))
        if job.state not in _ENQUEUED:
            where = named.at(self._store.keys.waiting(job.state))
            return (*described, "Z", where, repr(job.at), encoded(job.payload.text))
        place = _place(job.payload)
        text = encoded(_stamped(job))
        where = named.queue(place.queue)
        return (*described, "Q", where, encoded(place.queue), place.priority, text)


def _id(job: StoredJob) -> str:
    try:
        return job.id or job.payload.id or _digest(job)
    except PayloadError:
        return _digest(job)


def _digest(job: StoredJob) -> str:
    return sha1(encoded(job.payload.text), usedforsecurity=False).hexdigest()


def _place(payload: Payload) -> Place:
    try:
        return place_of(payload)
    except PayloadError:
        return Place("default", "0")


def _stamped(job: StoredJob) -> str:
    """The text with the time at which it became enqueued, by which it is as old as it was."""
    try:
        return job.payload.text if job.payload.enqueued_at else stamped(job.payload, job.at)
    except PayloadError:
        return job.payload.text
