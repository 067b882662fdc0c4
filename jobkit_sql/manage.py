"""Changing what waits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Float, Text, bindparam, delete, func, select

from jobkit.adapter import State
from jobkit.capabilities import Move, StoredJob
from jobkit_sql.lending import key_of
from jobkit_sql.placing import PLACE, place
from jobkit_sql.store import Store, again_if_undone
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
_LAST: Final = select(func.max(jobs.c.key)).where(*_OF_QUEUE)
_CLEAR: Final = delete(jobs).where(
    jobs.c.key.in_(
        select(jobs.c.key)
        .where(*_OF_QUEUE, jobs.c.key <= bindparam("last"))
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)


class Manage:
    """Moves, deletes, clears, pauses. What runs belongs to its worker and is left alone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pause = store.dialect.insert_new(paused)
        self._resume = delete(paused).where(paused.c.queue == bindparam("name"))

    def move(self, moves: Sequence[Move]) -> int:
        """See `SupportsManage.move`."""
        now = self._store.time()
        changes = [
            {**_where(move.job), **place(move.payload, move.state, now)}
            for move in moves
            if move.job.state is not State.RUNNING
        ]
        moved = self._change(_MOVE, changes)
        if moved:
            self._store.announce()
        return moved

    def delete(self, stored: Sequence[StoredJob]) -> int:
        """See `SupportsManage.delete`."""
        return self._change(
            _DELETE, [_where(job) for job in stored if job.state is not State.RUNNING]
        )

    def clear(self, queue: str) -> int:
        """See `SupportsManage.clear`. In slices; what is enqueued meanwhile stays."""
        with self._store.reading() as connection:
            last = connection.scalar(_LAST, {"name": queue})
        removed = 0
        while last is not None:
            count = self._clear_some({"name": queue, "last": last, "limit": _SLICE})
            removed += count
            if count < _SLICE:
                break
        return removed

    @again_if_undone
    def _clear_some(self, parameters: dict[str, Any]) -> int:
        with self._store.writing() as connection:
            return connection.execute(_CLEAR, parameters).rowcount

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
    def _change(self, statement: Any, changes: list[dict[str, Any]]) -> int:
        if not changes:
            return 0
        with self._store.writing() as connection:
            # In the order in which everybody locks.
            ordered = sorted(changes, key=itemgetter("was_key"))
            return connection.execute(statement, ordered).rowcount


def _where(job: StoredJob) -> dict[str, Any]:
    return {
        "was_key": key_of(job.locator),
        "was_state": job.state.value,
        "was_at": job.at,
        "was_text": job.payload.text,
    }
