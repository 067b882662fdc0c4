"""Changing what waits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from jobkit.adapter import State
from jobkit.capabilities import Move, StoredJob
from jobkit.errors import PayloadError
from jobkit.locks import Lock, Until
from jobkit_redis.errors import Refused
from jobkit_redis.keys import Keys, encoded
from jobkit_redis.listing import Locator
from jobkit_redis.members import moved
from jobkit_redis.placing import KeyList, Place, names, place_of
from jobkit_redis.store import Store

__all__ = ["Manage", "lies_at"]

_CHUNK: Final = 200


class Manage:
    """Moves, deletes, clears, pauses. What runs belongs to its worker and is left alone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def move(self, moves: Sequence[Move]) -> int:
        """See `SupportsManage.move`."""
        return self._change([(move.job, move) for move in moves])

    def delete(self, jobs: Sequence[StoredJob]) -> int:
        """See `SupportsManage.delete`."""
        return self._change([(job, None) for job in jobs])

    def clear(self, queue: str) -> int:
        """See `SupportsManage.clear`. One step, however many they are."""
        keys = self._store.keys
        removed: int = self._store.run(
            "clear",
            [
                *(keys.listed(queue), keys.ranked(queue), keys.locks, keys.limits),
                *(keys.queues, keys.sequence),
            ],
            [self._store.now, keys.channel, encoded(queue)],
        )
        return removed

    def pause(self, queue: str) -> None:
        """See `SupportsPause.pause`."""
        self._store.here.pool.ask(("SADD", self._store.keys.paused, encoded(queue)))

    def resume(self, queue: str) -> None:
        """See `SupportsPause.resume`."""
        keys = self._store.keys
        self._store.run("resume", [keys.paused], [encoded(queue), keys.channel])

    def _change(self, changes: Sequence[tuple[StoredJob, Move | None]]) -> int:
        waiting = iter([each for each in changes if each[0].state is not State.RUNNING])
        changed = 0
        while chunk := list(islice(waiting, _CHUNK)):
            changed += self._send(chunk)
        return changed

    def _send(self, changes: Sequence[tuple[StoredJob, Move | None]]) -> int:
        store = self._store
        named = KeyList(store.keys, store.keys.queues, store.keys.sequence)
        try:
            parts = [
                part
                for job, move in changes
                for part in (
                    *moved(job, move),
                    *self._lock(job, move, named),
                    *lies_at(job, named, store.keys),
                    *self._to(job, move, named),
                )
            ]
        except UnicodeEncodeError as error:
            raise Refused(f"the store keeps no half characters: {error}") from error
        wake = names(store.waking(named.queues))
        head = [store.now, store.keys.channel, len(wake), *wake]
        changed: int = store.run("move", named.all, head + parts)
        return changed

    def _lock(self, job: StoredJob, move: Move | None, named: KeyList) -> tuple[Any, ...]:
        """What the change does to the job's lock: it is freed, or has to be taken first."""
        lock = Lock.of(job.payload)
        if lock is None or not lock.is_held:
            return ()
        described = (named.at(self._store.keys.locks), encoded(lock.name), encoded(job.payload.id))
        if move is None or move.state is State.DEAD:
            return ("F", *described)
        taken = job.state is State.DEAD and lock.until is Until.SUCCESS
        return ("T", *described) if taken else ()

    def _to(self, job: StoredJob, move: Move | None, named: KeyList) -> tuple[Any, ...]:
        if move is None:
            return ("D",)
        text, keys = encoded(move.payload.text), self._store.keys
        place = _place(job, move)
        if move.state is State.ENQUEUED:
            return ("Q", named.queue(place.queue), encoded(place.queue), place.priority, text)
        due = place.due if move.state is not State.DEAD else None
        return ("Z", named.at(keys.waiting(move.state)), "" if due is None else repr(due), text)


def lies_at(job: StoredJob, named: KeyList, keys: Keys) -> tuple[Any, ...]:
    """How (in a list or a set), where and as what a job lies that nobody runs."""
    text, at = encoded(job.payload.text), Locator.of(job.locator)
    if job.state is State.BLOCKED:
        return ("Z", named.at(keys.waiting(job.state)), at.age.encode() + text)
    if job.state is not State.ENQUEUED:
        return ("Z", named.at(keys.waiting(job.state)), text)
    if at.age:
        return ("Z", named.at(keys.ranked(at.queue)), at.age.encode() + text)
    return ("L", named.at(keys.listed(at.queue)), text)


def _place(job: StoredJob, move: Move) -> Place:
    try:
        return place_of(move.payload)
    except PayloadError:
        return Place(Locator.of(job.locator).queue or "default", "0")
