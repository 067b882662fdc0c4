"""Upkeep of batches: what no verb told them is found out, and what is over is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Final

from sqlalchemy import (
    Float,
    Integer,
    Text,
    bindparam,
    delete,
    literal_column,
    or_,
    select,
    tuple_,
)

from jobkit.batching import ABANDONED, KEPT, KEPT_FAILED
from jobkit_sql.batching import Batches
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import batches, has_job, jobs, members

__all__ = ["Strays"]

_EVERY: Final = 60.0
"""Seconds between two looks of a process."""

_MEMBERS: Final = 5_000
"""Pending members that are looked at together."""

_BATCHES: Final = 100
"""Batches that are forgotten together."""

_NOWHERE: Final = ("", "")
_ALL: Final = members.alias()
_SLICE: Final = (
    select(_ALL.c.batch, _ALL.c.member)
    .where(
        _ALL.c.failed == literal_column("0", Integer),
        tuple_(_ALL.c.batch, _ALL.c.member)
        > tuple_(bindparam("batch", type_=Text()), bindparam("member", type_=Text())),
    )
    .order_by(_ALL.c.batch, _ALL.c.member)
    .limit(_MEMBERS)
    .subquery()
)
_HAS_JOB: Final = has_job(jobs.c.id == _SLICE.c.member)
_LOST: Final = select(_SLICE.c.batch, _SLICE.c.member).where(
    ~_HAS_JOB, _SLICE.c.member.not_like("batch:%")
)
_END: Final = select(_SLICE).order_by(_SLICE.c.batch.desc(), _SLICE.c.member.desc()).limit(1)
_KEPT_BADLY: Final = or_(
    batches.c.cancelled == 1,
    select(members.c.batch)
    .where(members.c.batch == batches.c.id, members.c.failed == literal_column("1"))
    .limit(1)
    .scalar_subquery()
    .is_not(None),
)
_OVER: Final = (
    select(batches.c.id)
    .where(
        batches.c.finished_at <= bindparam("good", type_=Float()),
        or_(batches.c.finished_at <= bindparam("bad", type_=Float()), ~_KEPT_BADLY),
    )
    .limit(_BATCHES)
)
_ABANDONED: Final = select(batches.c.id).where(
    batches.c.closed == literal_column("0"), batches.c.touched_at <= bindparam("since")
)
_FORGET: Final = tuple(
    delete(table).where(column.in_(bindparam("gone", expanding=True)))
    for table, column in ((members, members.c.batch), (batches, batches.c.id))
)


class Strays:
    """Looks once in a while, at a part of the members each time."""

    def __init__(self, store: Store, keeping: Batches) -> None:
        self._store = store
        self._batches = keeping
        self._look_at = 0.0
        self._after = _NOWHERE

    def upkeep(self) -> None:
        """The next look, if it is time for one."""
        if monotonic() < self._look_at:
            return
        self._look_at = monotonic() + _EVERY
        now = self._store.time()
        self._after = self._look(self._after, now)
        given = {"good": now - KEPT, "bad": now - KEPT_FAILED, "since": now - ABANDONED}
        with self._store.reading() as connection:
            over = [*connection.scalars(_OVER, given)]
            abandoned = [*connection.scalars(_ABANDONED, given)]
        if over or abandoned:
            self._forget(over, abandoned, now)

    def look_everywhere(self) -> None:
        """Look at all members, slice by slice."""
        now, after = self._store.time(), self._look(_NOWHERE, self._store.time())
        while after != _NOWHERE:
            after = self._look(after, now)

    def _look(self, after: tuple[str, str], now: float) -> tuple[str, str]:
        """See after a slice; where the next one begins."""
        given = {"batch": after[0], "member": after[1]}
        with self._store.reading() as connection:
            lost = [(row.batch, row.member) for row in connection.execute(_LOST, given)]
            last = connection.execute(_END, given).one_or_none()
        if lost:
            self._found(lost, now)
        return _NOWHERE if last is None else (last.batch, last.member)

    @again_if_undone
    def _found(self, lost: Sequence[tuple[str, str]], now: float) -> None:
        with self._store.writing() as connection:
            fired = self._batches.sweep(connection, lost, now)
        if fired:
            self._store.announce()

    @again_if_undone
    def _forget(self, over: Sequence[str], abandoned: Sequence[str], now: float) -> None:
        with self._store.writing() as connection:
            for batch in sorted(abandoned, reverse=True):
                self._batches.cancel(connection, batch, now, forget=True)
            if over:
                for statement in _FORGET:
                    connection.execute(statement, {"gone": over})
