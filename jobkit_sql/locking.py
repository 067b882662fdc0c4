"""The locks of unique jobs: who has one, and whether that still counts.

A row of `jobkit_locks` is a claim to a lock, not the lock: it counts only while its job is there
and has not ended. So whatever removes a job frees its lock, by whichever verb or version of jobkit.
Rows whose job has ended are removed where that is known, for tidiness alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Float, Row, Text, bindparam, delete, select, update

from jobkit.adapter import State
from jobkit.errors import AdapterError, PayloadError
from jobkit.locks import MARK, Lock, Until
from jobkit.payload import Payload
from jobkit_sql.dialect import Dialect
from jobkit_sql.tables import OVER, has_job, jobs, locks, not_over

__all__ = ["Locks", "locked"]

_TRIES: Final = 10
"""Times that a row may vanish between the insert it blocked and the look at it."""

_CLEARED: Final = 100
"""Locks that time has ended, removed by each call: more than most make, so that none pile up."""

_NAME: Final = bindparam("lock_name", type_=Text())
_JOB: Final = bindparam("of_job", type_=Text())
_NOW: Final = bindparam("now", type_=Float())
_OWNER: Final = select(locks).where(locks.c.name == _NAME).with_for_update()
_STATE: Final = select(jobs.c.state, jobs.c.payload).where(jobs.c.id == _JOB)
_GIVE: Final = (
    update(locks)
    .where(locks.c.name == _NAME)
    .values(job=_JOB, ends_at=bindparam("to_end", type_=Float()))
)
_ENDED: Final = (
    select(locks.c.name)
    .where(locks.c.ends_at <= _NOW)
    .order_by(locks.c.ends_at)
    .limit(_CLEARED)
    .with_for_update(skip_locked=True)
)
_ITS_JOB: Final = jobs.c.id == locks.c.job
_BY_JOB: Final = locks.c.ends_at.is_(None)
_STRAY: Final = (_BY_JOB, ~has_job(_ITS_JOB))
_OVER_NOW: Final = (_BY_JOB, ~has_job(_ITS_JOB, not_over()))


class Locks:
    """Takes locks and frees them, as a part of its caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._new = dialect.insert_new(locks)
        named, of_jobs = dialect.one_of(locks.c.name, "names"), dialect.one_of(locks.c.job, "ids")
        self._owners = select(locks.c.name, locks.c.job).where(named)
        self._clear = delete(locks).where(dialect.found_by(locks.c.name, _ENDED))
        self._free = delete(locks).where(of_jobs, _BY_JOB)
        self._theirs = select(locks.c.name).where(of_jobs, _BY_JOB).with_for_update()
        self._stray = select(locks.c.name).where(*_STRAY).with_for_update(skip_locked=True)
        self._forget = delete(locks).where(named, *_OVER_NOW)

    def take_free(
        self, connection: Connection, wanted: Sequence[tuple[Lock, str, float | None]], now: float
    ) -> set[str]:
        """Take what nobody claims: of locks, jobs and ends the names of those that were had.

        In the order of their names, so that two calls never wait for each other.
        """
        if any(ends_at is not None for _, _, ends_at in wanted):
            connection.execute(self._clear, {"now": now})
        rows = {lock.name: _row(lock, job, ends_at) for lock, job, ends_at in reversed(wanted)}
        connection.execute(self._new, [rows[name] for name in sorted(rows)])
        owners = connection.execute(self._owners, {"names": list(rows)})
        return {name for name, job in owners if rows[name]["job"] == job}

    def take(
        self,
        connection: Connection,
        lock: Lock,
        job: str,
        ends_at: float | None,
        now: float,
        *,
        arriving: Collection[str] = (),
    ) -> str | None:
        """Take the lock; the job that has it, if that is another one. Whose it is stays so.

        `arriving` are jobs of this transaction that have no row yet.
        """
        for _ in range(_TRIES):
            if connection.execute(self._new, _row(lock, job, ends_at)).rowcount > 0:
                return None
            # Locked: who else wants it waits here, and then sees what became of it.
            owner = connection.execute(_OWNER, {"lock_name": lock.name}).one_or_none()
            if owner is None:
                continue
            if owner.job == job:
                return None
            counts = owner.job in arriving or self._counts(connection, lock, owner, now)
            if counts:
                return str(owner.job)
            self.give(connection, lock, job, ends_at)
            return None
        raise AdapterError("a unique job could not be stored: its lock comes and goes too fast")

    def give(self, connection: Connection, lock: Lock, job: str, ends_at: float | None) -> None:
        """Make the lock another job's."""
        connection.execute(_GIVE, {"lock_name": lock.name, "of_job": job, "to_end": ends_at})

    def free(self, connection: Connection, ids: Sequence[str]) -> None:
        """The jobs have ended, or are gone. What others have taken meanwhile stays theirs."""
        if ids:
            connection.execute(self._free, {"ids": ids})

    def free_if_over(self, connection: Connection, ids: Sequence[str]) -> None:
        """The jobs may have ended, or be gone."""
        if ids:
            self._forget_those(connection, list(connection.scalars(self._theirs, {"ids": ids})))

    def sweep(self, connection: Connection) -> None:
        """Remove what belongs to jobs that are gone, whoever they were."""
        self._forget_those(connection, list(connection.scalars(self._stray)))

    def _forget_those(self, connection: Connection, names: Sequence[str]) -> None:
        if names:
            # A statement of its own, now that nobody can give them away: one that waited for a row
            # would look for its job as of before, and not see the one it was given to.
            connection.execute(self._forget, {"names": names})

    def _counts(self, connection: Connection, lock: Lock, owner: Row[Any], now: float) -> bool:
        if not lock.is_held:
            return owner.ends_at is not None and owner.ends_at > now
        job = connection.execute(_STATE, {"of_job": owner.job}).one_or_none()
        if job is None or job.state in OVER:
            return False
        return lock.until is not Until.START or not _has_started(job.state, job.payload)


def locked(payloads: Iterable[Payload]) -> list[str]:
    """The ids of those jobs that may hold a lock."""
    named = [payload for payload in payloads if MARK in payload.text]
    found = [(payload, Lock.of(payload)) for payload in named]
    return [payload.id for payload, lock in found if lock is not None and lock.is_held]


def _has_started(state: str, text: str) -> bool:
    if state == State.RUNNING:
        return True
    payload = Payload(text)
    try:
        return payload.executions > 0 or payload.deliveries > 0
    except PayloadError:
        return True


def _row(lock: Lock, job: str, ends_at: float | None) -> dict[str, Any]:
    return {"name": lock.name, "job": job, "ends_at": ends_at}
