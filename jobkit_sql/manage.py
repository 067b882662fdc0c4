"""Changing what waits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Float, Text, bindparam, delete, func, literal_column, select

from jobkit.adapter import State
from jobkit.capabilities import Move, StoredJob
from jobkit.limits import is_limited
from jobkit.locks import Lock, Until
from jobkit.payload import Payload
from jobkit_sql.batching import Batches
from jobkit_sql.lending import key_of
from jobkit_sql.limiting import Limiting
from jobkit_sql.locking import Locks, locked
from jobkit_sql.placing import PLACE, place
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.strays import Strays
from jobkit_sql.tables import in_state, jobs, paused

__all__ = ["Manage"]

_SLICE: Final = 5_000
"""Rows cleared in one transaction: short enough for the workers that wait for it."""

# The text too: a job that ran meanwhile and came back to its place has made progress.
_STILL_THERE: Final = (
    jobs.c.key == bindparam("was_key"),
    jobs.c.state == bindparam("was_state", type_=Text()),
    jobs.c.at == bindparam("was_at", type_=Float()),
    jobs.c.payload == bindparam("was_text", type_=Text()),
)
_MOVE: Final = PLACE.where(*_STILL_THERE)
_DELETE: Final = delete(jobs).where(*_STILL_THERE)
_OF_QUEUE: Final = (in_state(State.ENQUEUED), jobs.c.queue == bindparam("name"))
# Of the bare key PostgreSQL may look for the largest among those of all queues.
_LAST: Final = select(func.max(jobs.c.key + literal_column("0"))).where(*_OF_QUEUE)
_NEXT: Final = (
    select(jobs.c.key)
    .where(*_OF_QUEUE, jobs.c.key <= bindparam("last"))
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


class Manage:
    """Moves, deletes, clears, pauses. What runs belongs to its worker and is left alone."""

    def __init__(
        self,
        store: Store,
        locks: Locks,
        limiting: Limiting,
        batches: Batches,
        strays: Strays,
    ) -> None:
        self._store = store
        self._batches = batches
        self._strays = strays
        self._limiting = limiting
        self._locks = locks
        self._pause = store.dialect.insert_new(paused)
        self._clear = delete(jobs).where(store.dialect.found_by(jobs.c.key, _NEXT))
        self._resume = delete(paused).where(paused.c.queue == bindparam("name"))

    def move(self, moves: Sequence[Move]) -> int:
        """See `SupportsManage.move`."""
        now = self._store.time()
        usual: list[dict[str, Any]] = []
        revived: list[tuple[Lock, str, dict[str, Any]]] = []
        for move in moves:
            if move.job.state is State.RUNNING:
                continue
            change = {**_where(move.job), **place(move.payload, move.state, now)}
            if (lock := _needed(move)) is None:
                usual.append(change)
            else:
                revived.append((lock, move.job.id or move.payload.id, change))
        left = [move.job for move in moves]
        buried = [move.job.payload for move in moves if move.state is State.DEAD]
        moved = self._change(_MOVE, usual, ended=buried, waited=_waited(left)) + self._revive(
            revived, now
        )
        if moved:
            self._store.announce()
        return moved

    def delete(self, stored: Sequence[StoredJob]) -> int:
        """See `SupportsManage.delete`."""
        waiting = [job for job in stored if job.state is not State.RUNNING]
        ended = [job.payload for job in waiting]
        changes = [_where(job) for job in waiting]
        return self._change(_DELETE, changes, ended=ended, waited=_waited(waiting))

    def clear(self, queue: str) -> int:
        """See `SupportsManage.clear`. In slices; what is enqueued meanwhile stays."""
        with self._store.reading() as connection:
            last = connection.scalar(_LAST, {"name": queue})
        removed = 0
        while last is not None:
            count = self._clear_some({"name": queue, "last": last, "limit": _SLICE})
            removed += count
            if count < _SLICE:
                self._forget_the_cleared()
                break
        return removed

    @again_if_undone
    def _forget_the_cleared(self) -> None:
        with self._store.writing() as connection:
            self._locks.sweep(connection)
        self._strays.look_everywhere()

    @again_if_undone
    def _clear_some(self, parameters: dict[str, Any]) -> int:
        with self._store.writing() as connection:
            return connection.execute(self._clear, parameters).rowcount

    def pause(self, queue: str) -> None:
        """See `SupportsPause.pause`."""
        with self._store.writing() as connection:
            connection.execute(self._pause, {"queue": queue})

    def resume(self, queue: str) -> None:
        """See `SupportsPause.resume`."""
        with self._store.writing() as connection:
            connection.execute(self._resume, {"name": queue})
        self._store.announce()

    @again_if_undone
    def _revive(self, moves: Sequence[tuple[Lock, str, dict[str, Any]]], now: float) -> int:
        """Move dead jobs that can have their locks again."""
        if not moves:
            return 0
        with self._store.writing() as connection:
            moved = 0
            for lock, job, change in sorted(moves, key=lambda each: each[0].name):
                if self._locks.take(connection, lock, job, None, now) is None:
                    moved += connection.execute(_MOVE, change).rowcount
            texts = (Payload(change["was_text"]) for _, _, change in moves)
            self._batches.look_at(connection, texts, now)
            return moved

    @again_if_undone
    def _change(
        self,
        statement: Any,
        changes: list[dict[str, Any]],
        *,
        ended: Sequence[Payload],
        waited: Sequence[tuple[int, Payload]],
    ) -> int:
        if not changes:
            return 0
        now = self._store.time()
        with self._store.writing() as connection:
            # In the order in which everybody locks.
            ordered = sorted(changes, key=itemgetter("was_key"))
            changed = connection.execute(statement, ordered).rowcount
            self._locks.free_if_over(connection, locked(ended))
            called = self._limiting.withdraw(connection, waited, now)
            texts = (Payload(each["was_text"]) for each in changes)
            fired = self._batches.look_at(connection, texts, now)
        if called or fired:
            self._store.announce()
        return changed


def _waited(stored: Sequence[StoredJob]) -> list[tuple[int, Payload]]:
    """Keys and payloads of those that may have waited for a limit."""
    return [
        (key_of(job.locator), job.payload)
        for job in stored
        if job.state in (State.BLOCKED, State.ENQUEUED) and is_limited(job.payload)
    ]


def _needed(move: Move) -> Lock | None:
    """The lock that a dead job must have again where it goes."""
    lock = Lock.of(move.payload)
    if lock is None or lock.until is not Until.SUCCESS:
        return None
    return lock if move.job.state is State.DEAD and move.state is not State.DEAD else None


def _where(job: StoredJob) -> dict[str, Any]:
    return {
        "was_key": key_of(job.locator),
        "was_state": job.state.value,
        "was_at": job.at,
        "was_text": job.payload.text,
    }
