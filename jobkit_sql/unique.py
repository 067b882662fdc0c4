"""Storing unique jobs: a job's row is its lock, unless time alone ends that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Float, Text, bindparam, delete, select, update

from jobkit.adapter import State
from jobkit.errors import AdapterError
from jobkit.locks import Lock, OnConflict, lost_to
from jobkit.payload import Payload
from jobkit_sql.placing import new_row
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import jobs, locks, not_over

__all__ = ["EnqueueUnique", "row_lock"]

_TRIES: Final = 10
"""Times that the holder of a lock may vanish between the insert it blocked and the look for it."""

_CLEARED: Final = 100
"""Locks that are over, removed by each call: more than it makes, so that they never pile up."""

_NAME: Final = bindparam("lock_name", type_=Text())
_JOB: Final = bindparam("of_job", type_=Text())
_NOW: Final = bindparam("now", type_=Float())
_WAITS: Final = jobs.c.state.in_(
    [state.value for state in State if state not in (State.RUNNING, State.DEAD, State.COMPLETED)]
)
_MAKE_WAY: Final = delete(jobs).where(jobs.c.unique_key == _NAME, not_over(), _WAITS)
_REMOVE_WAITING: Final = delete(jobs).where(jobs.c.id == _JOB, _WAITS)
_FREE: Final = delete(locks).where(locks.c.name == _NAME, locks.c.ends_at <= _NOW)
_CLEAR: Final = delete(locks).where(
    locks.c.name.in_(
        select(locks.c.name)
        .where(locks.c.ends_at <= _NOW)
        .order_by(locks.c.ends_at)
        .limit(_CLEARED)
        .with_for_update(skip_locked=True)
    )
)
_OWNER: Final = select(locks.c.job).where(locks.c.name == _NAME).with_for_update()
_HAND_OVER: Final = (
    update(locks)
    .where(locks.c.name == _NAME)
    .values(job=_JOB, ends_at=bindparam("to_end", type_=Float()))
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A job to be stored, and its place in the call."""

    nth: int
    payload: Payload
    lock: Lock | None
    row: dict[str, Any]

    @property
    def replaces(self) -> bool:
        return self.lock is not None and self.lock.on_conflict is OnConflict.REPLACE

    @property
    def job(self) -> str:
        job: str = self.row["id"]
        return job


def row_lock(payload: Payload) -> str | None:
    """What the row of the job holds while it has not ended."""
    lock = Lock.of(payload)
    return lock.name if lock is not None and lock.is_held else None


class EnqueueUnique:
    """See `SupportsUnique`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._insert = store.dialect.insert_new(jobs)
        self._take = store.dialect.insert_new(locks)
        ids = select(store.dialect.each("ids", Text()).c.value)
        names = select(store.dialect.each("names", Text()).c.value)
        self._known = select(jobs.c.id).where(jobs.c.id.in_(ids))
        self._holders = select(jobs.c.unique_key, jobs.c.id).where(
            jobs.c.unique_key.in_(names), not_over()
        )

    @again_if_undone
    def __call__(self, payloads: Sequence[Payload]) -> list[str | None]:
        """See `SupportsUnique.enqueue_unique`."""
        now = self._store.time()
        with self._store.writing() as connection:
            winners = self.admit(connection, payloads, now)
            _refuse(payloads, winners)
        if None in winners:
            self._store.announce()
        return winners

    def through(self, connection: Connection, payloads: Sequence[Payload]) -> list[str | None]:
        """The same as a part of a transaction of the application's, which goes on if it raises."""
        now = self._store.time()
        self._store.dialect.seize(connection)
        with connection.begin_nested():
            winners = self.admit(connection, payloads, now)
            _refuse(payloads, winners)
        if None in winners:
            self._store.dialect.announce_through(connection)
        return winners

    def admit(
        self, connection: Connection, payloads: Sequence[Payload], now: float
    ) -> list[str | None]:
        """Store the jobs whose locks are free, or can be had; what each of the others lost to."""
        entries = [
            _Entry(nth, each, Lock.of(each), {**new_row(each, now), "unique_key": row_lock(each)})
            for nth, each in enumerate(payloads)
        ]
        lost: dict[int, str] = {}
        if any(entry.replaces for entry in entries):  # each may replace the one before it
            for entry in entries:
                lost |= self._admit(connection, [entry], now)
        else:
            lost = self._admit(connection, entries, now)
        return [lost.get(entry.nth) for entry in entries]

    def _admit(
        self, connection: Connection, entries: Sequence[_Entry], now: float
    ) -> dict[int, str]:
        lost: dict[int, str] = {}
        rest = list(entries)
        for _ in range(_TRIES):
            for entry in _timed(rest):
                if (winner := self._timed_out_of(connection, entry, now)) is not None:
                    lost[entry.nth] = winner
            rest = [entry for entry in rest if entry.nth not in lost]
            rest = self._store_rows(connection, rest, lost)
            if not rest:
                return lost
        raise AdapterError("unique jobs come and go too fast: none of them could be stored")

    def _store_rows(
        self, connection: Connection, entries: Sequence[_Entry], lost: dict[int, str]
    ) -> list[_Entry]:
        """Those that could neither be stored nor lost: whoever was in their way has gone."""
        if not entries:
            return []
        for entry in entries:
            if (
                entry.replaces
                and entry.row["unique_key"] is not None
                and not self._is_known(connection, entry)
            ):
                connection.execute(_MAKE_WAY, {"lock_name": entry.row["unique_key"]})
        connection.execute(self._insert, [entry.row for entry in entries])
        ids = [entry.job for entry in entries]
        known = set(connection.scalars(self._known, {"ids": ids}))
        missing = [entry for entry in entries if entry.job not in known]
        if not missing:
            return []
        names = [entry.row["unique_key"] for entry in missing]
        rows = connection.execute(self._holders, {"names": names}).all()
        holders = {row.unique_key: row.id for row in rows}
        lost |= {
            entry.nth: holders[entry.row["unique_key"]]
            for entry in missing
            if entry.row["unique_key"] in holders
        }
        return [entry for entry in missing if entry.nth not in lost]

    def _is_known(self, connection: Connection, entry: _Entry) -> bool:
        return connection.scalar(self._known, {"ids": [entry.job]}) is not None

    def _timed_out_of(self, connection: Connection, entry: _Entry, now: float) -> str | None:
        """Take a lock that ends by time; the job that has it, if that is another."""
        lock = entry.lock
        if lock is None or self._is_known(connection, entry):
            return None
        ends_at = lock.ends_at(entry.payload, now)
        new = {"name": lock.name, "job": entry.job, "ends_at": ends_at}
        named = {"lock_name": lock.name, "of_job": entry.job, "to_end": ends_at, "now": now}
        for _ in range(_TRIES):
            connection.execute(_CLEAR, named)
            connection.execute(_FREE, named)
            if connection.execute(self._take, new).rowcount > 0:
                return None
            owner = connection.scalar(_OWNER, named)
            if owner == entry.job:
                return None
            if owner is not None:
                return self._replaced(connection, entry, owner, named)
        raise AdapterError("unique jobs come and go too fast: none of them could be stored")

    def _replaced(
        self, connection: Connection, entry: _Entry, owner: str, named: dict[str, Any]
    ) -> str | None:
        removed = {"of_job": owner}
        if not entry.replaces or not connection.execute(_REMOVE_WAITING, removed).rowcount:
            return owner
        connection.execute(_HAND_OVER, named)
        return None


def _timed(entries: Iterable[_Entry]) -> list[_Entry]:
    return [entry for entry in entries if entry.lock is not None and not entry.lock.is_held]


def _refuse(payloads: Sequence[Payload], winners: Sequence[str | None]) -> None:
    """Raise DuplicateJob for the first that must not lose, and did."""
    for payload, winner in zip(payloads, winners, strict=True):
        lock = Lock.of(payload)
        if winner is not None and lock is not None and lock.on_conflict is OnConflict.RAISE:
            raise lost_to(winner, payload)
