"""Storing the members of a batch, and the batch itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Select,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)

from jobkit.batching import BatchInfo, BatchPage, Members, NewBatch
from jobkit.clock import as_datetime
from jobkit.payload import Payload
from jobkit_sql.batching import Batches
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import batches, members
from jobkit_sql.unique import EnqueueUnique, refuse

__all__ = ["EnqueueBatch", "ListBatches"]


class EnqueueBatch:
    """See `SupportsBatches.enqueue_batch`."""

    def __init__(self, store: Store, keeping: Batches, unique: EnqueueUnique) -> None:
        self._store = store
        self._batches = keeping
        self._unique = unique

    @again_if_undone
    def __call__(
        self, batch: str, payloads: Sequence[Payload], *, opens: NewBatch | None, closes: bool
    ) -> list[str | None]:
        now = self._store.time()
        with self._store.writing() as connection:
            winners = self._store_in(connection, batch, payloads, opens, now, closes=closes)
        self._store.announce()
        return winners

    def through(
        self,
        connection: Connection,
        batch: str,
        payloads: Sequence[Payload],
        *,
        opens: NewBatch | None,
        closes: bool,
    ) -> list[str | None]:
        """The same as a part of a transaction of the application's, which goes on if it raises."""
        now = self._store.time()
        self._store.dialect.seize(connection)
        with connection.begin_nested():
            winners = self._store_in(connection, batch, payloads, opens, now, closes=closes)
        self._store.dialect.announce_through(connection)
        return winners

    @again_if_undone
    def cancel(self, batch: str, *, forget: bool) -> bool:
        """See `SupportsBatches.cancel_batch`."""
        now = self._store.time()
        with self._store.writing() as connection:
            cancelled = self._batches.cancel(connection, batch, now, forget=forget)
        self._store.announce()
        return cancelled

    def _store_in(
        self,
        connection: Connection,
        batch: str,
        payloads: Sequence[Payload],
        opens: NewBatch | None,
        now: float,
        *,
        closes: bool,
    ) -> list[str | None]:
        # Jobs and their locks first, then the batch: in the order in which everybody locks.
        known = self._batches.there(connection, payloads)
        winners = self._unique.admit(connection, payloads, now)
        refuse(payloads, winners)
        stored = [each.id for each, lost in zip(payloads, winners, strict=True) if lost is None]
        if opens is not None:
            self._batches.open(connection, opens, now)
        names = [name for name in stored if name not in known]
        self._batches.join(connection, batch, names, now)
        if closes:
            self._batches.close(connection, batch, now)
        return winners


_PENDING: Final = (
    select(members.c.batch, members.c.failed, func.count())
    .where(members.c.batch.in_(bindparam("named", expanding=True)))
    .group_by(members.c.batch, members.c.failed)
)
_FIRST: Final = select(batches).order_by(batches.c.id.desc()).limit(bindparam("limit"))
_PAGE: Final = _FIRST.where(batches.c.id < bindparam("after", type_=Text()))
_ONE: Final = select(batches).where(batches.c.id == bindparam("named", type_=Text()))


def _members(failed: int) -> Select[str]:
    found = select(members.c.member).where(
        members.c.batch == bindparam("named", type_=Text()),
        members.c.failed == literal_column(str(failed), Integer),
        members.c.member > bindparam("after", type_=Text()),
    )
    return found.order_by(members.c.member).limit(bindparam("limit"))


_MEMBERS: Final = (_members(0), _members(1))


class ListBatches:
    """Tells of batches."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, batch_id: str) -> BatchInfo | None:
        """See `SupportsBatches.batch`."""
        with self._store.reading() as connection:
            rows = connection.execute(_ONE, {"named": batch_id}).all()
            return next(iter(_infos(connection, rows)), None)

    def page(self, limit: int, after: str | None) -> BatchPage:
        """See `SupportsBatches.batches`."""
        with self._store.reading() as connection:
            statement = _FIRST if after is None else _PAGE
            rows = connection.execute(statement, {"limit": limit + 1, "after": after}).all()
            items = _infos(connection, rows[:limit])
        return BatchPage(items, items[-1].id if len(rows) > limit else None)

    def members(self, batch_id: str, *, failed: bool, limit: int, after: str | None) -> Members:
        """See `SupportsBatches.members`."""
        given = {"named": batch_id, "limit": limit + 1, "after": after or ""}
        with self._store.reading() as connection:
            names = [*connection.scalars(_MEMBERS[failed], given)]
        return Members.of(names[:limit], names[limit - 1] if len(names) > limit else None)


def _infos(connection: Connection, rows: Sequence[Row[Any]]) -> list[BatchInfo]:
    if not rows:
        return []
    counts: dict[tuple[str, int], int] = {
        (batch, failed): count
        for batch, failed, count in connection.execute(_PENDING, {"named": [r.id for r in rows]})
    }
    return [_info(row, counts.get((row.id, 0), 0), counts.get((row.id, 1), 0)) for row in rows]


def _info(row: Row[Any], pending: int, failed: int) -> BatchInfo:
    return BatchInfo(
        id=row.id,
        description=row.description,
        total=row.total,
        pending=pending,
        succeeded=row.total - pending - failed,
        failed=failed,
        created_at=as_datetime(row.created_at),
        finished_at=None if row.finished_at is None else as_datetime(row.finished_at),
        cancelled=bool(row.cancelled),
        parent=row.parent,
    )
