"""Storing unique jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Text, bindparam, delete, select

from jobkit.adapter import State
from jobkit.locks import Lock, OnConflict, lost_to
from jobkit.payload import Payload
from jobkit_sql.batching import Batches
from jobkit_sql.locking import Locks
from jobkit_sql.placing import new_row
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import jobs

__all__ = ["EnqueueUnique", "refuse"]

_WAITS: Final = tuple(
    state.value for state in State if state not in (State.RUNNING, State.DEAD, State.COMPLETED)
)
_REMOVE_WAITING: Final = delete(jobs).where(
    jobs.c.id == bindparam("of_job", type_=Text()), jobs.c.state.in_(_WAITS)
)

_TEXT: Final = select(jobs.c.payload).where(jobs.c.id == bindparam("of_job", type_=Text()))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A job to be stored, with the lock it needs and when that ends, if by time."""

    payload: Payload
    row: dict[str, Any]
    lock: Lock | None
    ends_at: float | None

    @classmethod
    def of(cls, payload: Payload, now: float) -> _Entry:
        lock = Lock.of(payload)
        by_time = lock is not None and not lock.is_held
        ends_at = lock.ends_at(payload, now) if lock is not None and by_time else None
        return cls(payload, new_row(payload, now), lock, ends_at)

    @property
    def job(self) -> str:
        return str(self.row["id"])


class EnqueueUnique:
    """See `SupportsUnique`."""

    def __init__(self, store: Store, locks: Locks, batches: Batches) -> None:
        self._store = store
        self._locks = locks
        self._batches = batches
        self._insert = store.dialect.insert_new(jobs)

    @again_if_undone
    def __call__(self, payloads: Sequence[Payload]) -> list[str | None]:
        """See `SupportsUnique.enqueue_unique`."""
        if not payloads:
            return []
        now = self._store.time()
        with self._store.writing() as connection:
            winners = self.admit(connection, payloads, now)
            refuse(payloads, winners)
        if None in winners:
            self._store.announce()
        return winners

    def through(self, connection: Connection, payloads: Sequence[Payload]) -> list[str | None]:
        """The same as a part of a transaction of the application's, which goes on if it raises."""
        if not payloads:
            return []
        now = self._store.time()
        self._store.dialect.seize(connection)
        with connection.begin_nested():
            winners = self.admit(connection, payloads, now)
            refuse(payloads, winners)
        if None in winners:
            self._store.dialect.announce_through(connection)
        return winners

    def admit(
        self, connection: Connection, payloads: Sequence[Payload], now: float
    ) -> list[str | None]:
        """Store the jobs whose locks can be had; what each of the others lost to."""
        entries = [_Entry.of(payload, now) for payload in payloads]
        wanted = [(each.lock, each.job, each.ends_at) for each in entries if each.lock is not None]
        had = self._locks.take_free(connection, wanted, now) if wanted else set()
        arriving: dict[str, dict[str, Any]] = {}
        winners: list[str | None] = []
        for entry in entries:
            winner = None
            if entry.lock is not None and entry.lock.name not in had:
                winner = self._contest(connection, entry, entry.lock, now, arriving)
            elif entry.lock is not None:
                had.discard(entry.lock.name)  # its own; an equal one behind it has to contest it
            winners.append(winner)
            if winner is None:
                arriving[entry.job] = entry.row
        if arriving:
            connection.execute(self._insert, list(arriving.values()))
        return winners

    def _contest(
        self,
        connection: Connection,
        entry: _Entry,
        lock: Lock,
        now: float,
        arriving: dict[str, dict[str, Any]],
    ) -> str | None:
        """What the entry loses to, None if the lock is its own in the end."""
        job, ends_at = entry.job, entry.ends_at
        winner = self._locks.take(connection, lock, job, ends_at, now, arriving=arriving)
        if winner is None or lock.on_conflict is not OnConflict.REPLACE:
            return winner
        removed = arriving.pop(winner, None) is not None
        if not removed and not self._remove_waiting(connection, winner, now):
            return winner
        self._locks.give(connection, lock, job, ends_at)
        return None

    def _remove_waiting(self, connection: Connection, job: str, now: float) -> bool:
        text = connection.scalar(_TEXT, {"of_job": job})
        if text is None or not connection.execute(_REMOVE_WAITING, {"of_job": job}).rowcount:
            return False
        self._batches.look_at(connection, [Payload(text)], now)
        return True


def refuse(payloads: Sequence[Payload], winners: Sequence[str | None]) -> None:
    """Raise DuplicateJob for the first that must not lose, and did."""
    for payload, winner in zip(payloads, winners, strict=True):
        lock = Lock.of(payload)
        if winner is not None and lock is not None and lock.on_conflict is OnConflict.RAISE:
            raise lost_to(winner, payload)
