"""Taking jobs as another store had them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.errors import PayloadError
from jobkit.payload import new_id
from jobkit.restoring import lock_of
from jobkit_sql.locking import Locks
from jobkit_sql.placing import new_row
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import jobs

__all__ = ["Restore"]

_UNREADABLE: Final = {"queue": "default", "priority": 0, "job_class": "", "deliveries": 0}


class Restore:
    """See `SupportsRestore`. All of a call, in one transaction."""

    def __init__(self, store: Store, locks: Locks) -> None:
        self._store = store
        self._locks = locks
        self._insert = store.dialect.insert_new(jobs)
        self._known = select(jobs.c.id).where(store.dialect.one_of(jobs.c.id, "ids"))

    @again_if_undone
    def __call__(self, given: Sequence[StoredJob]) -> list[str | None]:
        """See `SupportsRestore.restore`."""
        if not given:
            return []
        now = self._store.time()
        rows = [_row(job, now) for job in given]
        with self._store.writing() as connection:
            known = set(connection.scalars(self._known, {"ids": [row["id"] for row in rows]}))
            arriving: dict[str, dict[str, Any]] = {}
            winners: list[str | None] = []
            for job, row in zip(given, rows, strict=True):
                job_id, lock = row["id"], lock_of(job)
                winner = None
                if lock is not None and job_id not in known:
                    winner = self._locks.take(
                        connection, lock, job_id, None, now, arriving=arriving
                    )
                if winner is None:
                    arriving[job_id] = row
                winners.append(winner)
            if arriving:
                connection.execute(self._insert, list(arriving.values()))
        self._store.announce()
        return winners


def _row(job: StoredJob, now: float) -> dict[str, Any]:
    state = State.ENQUEUED if job.state is State.BLOCKED else job.state
    at = job.at or now
    try:
        row = new_row(job.payload, now)
    except PayloadError:
        row = {"id": job.id or new_id(), "payload": job.payload.text, **_UNREADABLE}
    return {**row, "id": job.id or row["id"], "state": state.value, "run_at": at, "at": at}
