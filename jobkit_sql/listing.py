"""Stored jobs: found by id, listed by state in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    bindparam,
    literal_column,
    select,
    tuple_,
)

from jobkit.adapter import State
from jobkit.capabilities import JobFilter, StoredJob, StoredPage
from jobkit.payload import Payload
from jobkit_sql.cursor import decoded, encoded
from jobkit_sql.store import Store
from jobkit_sql.tables import blocked, has_job, in_state, jobs

__all__ = ["Listing"]


@dataclass(frozen=True, slots=True)
class _Order:
    """The columns a state's list is sorted by, as its index has them, and their types."""

    columns: tuple[Column[Any], ...]
    kinds: tuple[type, ...]
    newest_first: bool = False

    def sorting(self) -> list[ColumnElement[Any]]:
        return [each.desc() if self.newest_first else each.asc() for each in self.columns]

    def behind(self) -> ColumnElement[bool]:
        """The condition that a row comes after the position of `parameters`."""
        here = tuple_(*self.columns)
        there = tuple_(*(bindparam(f"after_{n}", type_=c.type) for n, c in enumerate(self.columns)))
        return here < there if self.newest_first else here > there

    def position(self, row: Row[*tuple[Any, ...]]) -> list[Any]:
        """Where a row is in the list."""
        return [getattr(row, column.key) for column in self.columns]

    def parameters(self, state: State, after: str | None) -> dict[str, Any]:
        """The position of the cursor, or one before every row.

        Always one, so that a page is always a range of its index: SQLite might sort the table.
        """
        bounds = _HIGHEST if self.newest_first else _LOWEST
        position = [bounds[kind] for kind in self.kinds]
        if after is not None:
            position = decoded(after, state, self.kinds)
        return {f"after_{n}": value for n, value in enumerate(position)}


_LOWEST: Final = {str: "", int: -(2**63), float: -inf}
_HIGHEST: Final = {int: 2**63 - 1, float: inf}
_BY_DUE: Final = _Order((jobs.c.run_at, jobs.c.key), (float, int))
_IN_QUEUE: Final = _Order((jobs.c.priority, jobs.c.run_at, jobs.c.key), (int, float, int))
_ORDERS: Final = {
    State.ENQUEUED: _Order(
        (jobs.c.queue, jobs.c.priority, jobs.c.run_at, jobs.c.key), (str, int, float, int)
    ),
    State.SCHEDULED: _BY_DUE,
    State.RETRY: _BY_DUE,
    State.RUNNING: _Order((jobs.c.at, jobs.c.key), (float, int)),
    State.DEAD: _Order((jobs.c.at, jobs.c.key), (float, int), newest_first=True),
    State.BLOCKED: _Order(
        (blocked.c.queue, blocked.c.priority, blocked.c.run_at, blocked.c.job),
        (str, int, float, int),
    ),
    State.COMPLETED: _Order((jobs.c.at, jobs.c.key), (float, int), newest_first=True),
}
_STORED: Final = (jobs.c.key, jobs.c.id, jobs.c.state, jobs.c.at, jobs.c.worker, jobs.c.payload)
_SORTED: Final = (jobs.c.queue, jobs.c.priority, jobs.c.run_at)


class Listing:
    """Reads jobs where they lie. The enqueued are listed queue by queue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found_by = store.dialect.found_by
        self._conditions = {
            "queue": jobs.c.queue == bindparam("queue"),
            "job": jobs.c.job_class == bindparam("job"),
            "text": store.dialect.contains(jobs.c.payload, "text"),
        }
        self._pages: dict[tuple[State, tuple[str, ...]], Select[*tuple[Any, ...]]] = {}
        self._find = select(*_STORED).where(store.dialect.one_of(jobs.c.id, "ids"))

    def find(self, ids: Sequence[str]) -> list[StoredJob]:
        """See `SupportsInspect.find`; in the order of the ids."""
        with self._store.reading() as connection:
            found = {row.id: row for row in connection.execute(self._find, {"ids": ids})}
        return [_stored(found[job_id]) for job_id in dict.fromkeys(ids) if job_id in found]

    def page(self, state: State, *, where: JobFilter, limit: int, after: str | None) -> StoredPage:
        """See `SupportsInspect.jobs`. Raises ValueError for a cursor of another list."""
        if limit < 1:
            raise ValueError(f"a page of {limit} jobs cannot be had: ask for one at least")
        order = _order(state, where)
        if order is None:
            return StoredPage((), None)
        filters = {
            name: value for name in self._conditions if (value := getattr(where, name)) is not None
        }
        # One more than asked for tells whether a page follows.
        parameters = {**filters, **order.parameters(state, after), "limit": limit + 1}
        statement = self._statement(state, order, tuple(filters))
        with self._store.reading() as connection:
            rows = connection.execute(statement, parameters).all()
        if state is State.BLOCKED:
            rows = sorted(rows, key=order.position)
        return _page(rows, state, order, limit)

    def _statement(
        self, state: State, order: _Order, filters: tuple[str, ...]
    ) -> Select[*tuple[Any, ...]]:
        """Built once for each combination, so that it is also compiled once."""
        known = self._pages.get((state, filters))
        if known is None:
            own = [self._conditions[name] for name in filters]
            listed = self._set_aside if state is State.BLOCKED else _in_state
            known = self._pages[state, filters] = listed(state, order, own)
        return known

    def _set_aside(
        self, state: State, order: _Order, own: Sequence[ColumnElement[bool]]
    ) -> Select[*tuple[Any, ...]]:
        """By the index of those who wait; in no order."""
        # + "": of a parameter the planner would know which index of a single state it suits.
        is_blocked = jobs.c.state + literal_column("''") == state.value
        waiting = (
            select(blocked.c.job)
            .where(
                blocked.c.called == literal_column("0"),
                order.behind(),
                has_job(jobs.c.key == blocked.c.job, is_blocked, *own),
            )
            .order_by(*order.sorting())
            .limit(bindparam("limit"))
        )
        found = select(*_STORED, *_SORTED, jobs.c.key.label(blocked.c.job.key))
        return found.where(self._found_by(jobs.c.key, waiting))


def _in_state(
    state: State, order: _Order, own: Sequence[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    found = select(*_STORED, *_SORTED).where(in_state(state), order.behind(), *own)
    return found.order_by(*order.sorting()).limit(bindparam("limit"))


def _order(state: State, where: JobFilter) -> _Order | None:
    """None for a state that no job is in."""
    in_queue = state is State.ENQUEUED and where.queue is not None
    return _IN_QUEUE if in_queue else _ORDERS.get(state)


def _page(
    rows: Sequence[Row[*tuple[Any, ...]]], state: State, order: _Order, limit: int
) -> StoredPage:
    items = tuple(_stored(row) for row in rows[:limit])
    if len(rows) <= limit:
        return StoredPage(items, None)
    last = rows[limit - 1]
    return StoredPage(items, encoded(state, order.position(last)))


def _stored(row: Row[*tuple[Any, ...]]) -> StoredJob:
    return StoredJob(
        payload=Payload(row.payload),
        state=State(row.state),
        locator=str(row.key),
        at=row.at,
        worker=row.worker,
        id=row.id,
    )
