"""Batches: their members are rows, and who removes the last pending one has the end come.

Whoever changes the members of a batch locks its row first, so that of many that end at once one
sees that it was the last. A nested batch is younger than its parent: batches are locked from the
youngest to the oldest, so that nobody waits in a circle.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    Row,
    Text,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    select,
    update,
)

from jobkit.adapter import Settlement, State
from jobkit.batching import (
    MARK,
    End,
    Event,
    How,
    NewBatch,
    Standing,
    as_member,
    batch_of,
    closed_to_new,
    end_of,
    follows,
)
from jobkit.payload import Payload
from jobkit_sql.dialect import Dialect
from jobkit_sql.placing import new_row
from jobkit_sql.tables import batches, jobs, members

__all__ = ["Batches", "ends_of"]

_NAMED: Final = batches.c.id == bindparam("named", type_=Text())
_THEIRS: Final = members.c.batch == bindparam("named", type_=Text())
_LOCKED: Final = select(batches).where(_NAMED).with_for_update()


def _some(*, failed: int) -> Any:
    # A constant, as of the partial index.
    ended = members.c.failed == literal_column(str(failed), Integer)
    return exists().where(_THEIRS, ended)


_STANDING: Final = select(_some(failed=0), _some(failed=1))
_NOTE: Final = (
    update(batches)
    .where(_NAMED)
    .values(
        fired=bindparam("to_fired", type_=Text()),
        finished_at=bindparam("to_finish", type_=Float()),
    )
)
_COUNT: Final = (
    update(batches)
    .where(_NAMED)
    .values(
        total=batches.c.total + bindparam("more", type_=Integer()),
        touched_at=func.coalesce(bindparam("touched", type_=Float()), batches.c.touched_at),
    )
)
_CLOSE: Final = update(batches).where(_NAMED).values(closed=1)
_CANCEL: Final = update(batches).where(_NAMED).values(cancelled=1)
_FORGET: Final = update(batches).where(_NAMED).values(cancelled=1, closed=1, fired="all")
_REOPEN: Final = update(batches).where(_NAMED).values(finished_at=None)
_ALL_FIRED: Final = frozenset(Event)


class Batches:
    """Keeps the members of batches, as a part of its caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._enqueue = dialect.insert_new(jobs)
        self._new_batch = dialect.insert_new(batches).returning(batches.c.id)
        self._new_member = dialect.insert_new(members)
        stored = dialect.one_of(jobs.c.id, "names")
        theirs = (_THEIRS, dialect.one_of(members.c.member, "names"))
        self._remove = delete(members).where(*theirs)
        self._mark = update(members).where(*theirs).values(failed=bindparam("ended_badly"))
        self._there = select(jobs.c.id).where(stored)
        self._states = select(jobs.c.id, jobs.c.state).where(stored)
        self._known = select(members.c.member, members.c.failed).where(*theirs)

    def there(self, connection: Connection, payloads: Sequence[Payload]) -> set[str]:
        """The ids of those that are stored already: they join nothing."""
        names = [payload.id for payload in payloads]
        return set(connection.scalars(self._there, {"names": names})) if names else set()

    def open(self, connection: Connection, new: NewBatch, now: float) -> bool:
        """Keep a batch, and make it a member of its parent; False if it is there already."""
        row = {
            "id": new.id,
            "description": new.description,
            "parent": new.parent,
            "callbacks": json.dumps({event: each.text for event, each in new.callbacks.items()}),
            "fired": "",
            "total": 0,
            "closed": 0,
            "cancelled": 0,
            "created_at": now,
            "touched_at": now,
            "finished_at": None,
        }
        if connection.scalar(self._new_batch, row) is None:
            return False
        if new.parent is not None:
            self.join(connection, new.parent, [as_member(new.id)], now)
        return True

    def join(self, connection: Connection, batch: str, names: Sequence[str], now: float) -> None:
        """Make them members. Raises BatchFinished."""
        row = self._locked(connection, batch)
        if row is None:
            raise closed_to_new(batch, "is not there")
        if row.cancelled:
            raise closed_to_new(batch, "was cancelled")
        if row.finished_at is not None:
            raise closed_to_new(batch, "has finished")
        self._add(connection, batch, names, now)

    def close(self, connection: Connection, batch: str, now: float) -> bool:
        """The block of the batch is left; True when that had something enqueued."""
        self._locked(connection, batch)
        connection.execute(_CLOSE, {"named": batch})
        return self._look_again(connection, batch, now)

    def cancel(self, connection: Connection, batch: str, now: float, *, forget: bool) -> bool:
        """See `SupportsBatches.cancel_batch`."""
        row = self._locked(connection, batch)
        if row is None or row.finished_at is not None:
            return False
        connection.execute(_FORGET if forget else _CANCEL, {"named": batch})
        self._look_again(connection, batch, now)
        return True

    def settled(
        self, connection: Connection, settlements: Iterable[Settlement], now: float
    ) -> bool:
        """What was settled may have been members; True when something was enqueued for it."""
        ends = ends_of(settlements)
        return bool(ends) and self.ended(connection, ends, now)

    def ended(self, connection: Connection, ends: Iterable[End], now: float) -> bool:
        """Members have ended; True when something was enqueued for it."""
        by_batch: defaultdict[str, list[End]] = defaultdict(list)
        for end in ends:
            by_batch[end.batch].append(end)
        fired = [
            self._ended_in(connection, batch, by_batch[batch], now)
            for batch in sorted(by_batch, reverse=True)
        ]
        return any(fired)

    def look_at(self, connection: Connection, payloads: Iterable[Payload], now: float) -> bool:
        """Jobs may have been moved or removed; True when something was enqueued for it."""
        by_batch: defaultdict[str, list[str]] = defaultdict(list)
        for payload in payloads:
            if batch := batch_of(payload):
                by_batch[batch].append(payload.id)
        return self._compare_all(connection, by_batch, now)

    def sweep(self, connection: Connection, found: Iterable[tuple[str, str]], now: float) -> bool:
        """See where these members, by batch, are now; True if something was enqueued."""
        by_batch: defaultdict[str, list[str]] = defaultdict(list)
        for batch, member in found:
            by_batch[batch].append(member)
        return self._compare_all(connection, by_batch, now)

    def _compare_all(
        self, connection: Connection, by_batch: Mapping[str, Sequence[str]], now: float
    ) -> bool:
        fired = [
            self._compare(connection, batch, by_batch[batch], now)
            for batch in sorted(by_batch, reverse=True)
        ]
        return any(fired)

    def _compare(
        self, connection: Connection, batch: str, names: Sequence[str], now: float
    ) -> bool:
        """Have the batch know of its members what has become of their jobs."""
        row = self._locked(connection, batch)
        if row is None:
            return False
        given = {"named": batch, "names": [*names]}
        found = connection.execute(self._states, given).all()
        states: dict[str, str] = {row.id: row.state for row in found}
        ends: list[End] = []
        revived: list[str] = []
        for member, failed in connection.execute(self._known, given).all():
            how = _how(states.get(member), failed=bool(failed))
            if how is not None:
                ends.append(End(batch, member, how))
            elif failed and member in states and states[member] != State.DEAD:
                revived.append(member)
        if revived:
            self._revived(connection, row, revived)
        return bool(ends) and self._ended_in(connection, batch, ends, now)

    def _revived(self, connection: Connection, row: Row[Any], names: Sequence[str]) -> None:
        """Members that failed are to run again."""
        connection.execute(self._mark, {"named": row.id, "names": [*names], "ended_badly": 0})
        if row.finished_at is None:
            return
        connection.execute(_REOPEN, {"named": row.id})
        parent = None if row.parent is None else self._locked(connection, row.parent)
        if parent is not None:
            self._revived(connection, parent, [as_member(row.id)])

    def _ended_in(
        self, connection: Connection, batch: str, ends: Sequence[End], now: float
    ) -> bool:
        row = self._locked(connection, batch)
        if row is None:
            return False
        names: defaultdict[How, list[str]] = defaultdict(list)
        for end in ends:
            names[end.how].append(end.member)
        if failed := names[How.FAILED]:
            connection.execute(self._mark, {"named": batch, "names": failed, "ended_badly": 1})
        if succeeded := names[How.SUCCEEDED]:
            connection.execute(self._remove, {"named": batch, "names": succeeded})
        if removed := names[How.REMOVED]:
            gone = connection.execute(self._remove, {"named": batch, "names": removed}).rowcount
            connection.execute(_COUNT, {"named": batch, "more": -gone, "touched": None})
        return self._look(connection, row, now)

    def _look_again(self, connection: Connection, batch: str, now: float) -> bool:
        row = self._locked(connection, batch)
        return row is not None and self._look(connection, row, now)

    def _look(self, connection: Connection, row: Row[Any], now: float) -> bool:
        """Have come what follows from how the batch stands; True if that is a job."""
        batch: str = row.id
        pending, failed = connection.execute(_STANDING, {"named": batch}).one()
        fired = _ALL_FIRED if row.fired == "all" else frozenset(filter(None, row.fired.split(",")))
        standing = Standing(bool(row.closed), bool(row.cancelled), pending, failed, fired)
        following = follows(standing)
        ends = following.finished and row.finished_at is None
        if not (following.events or ends):
            return False
        enqueued = [self._fire(connection, row.callbacks, event, now) for event in following.events]
        told = row.fired if fired == _ALL_FIRED else ",".join(sorted({*fired, *following.events}))
        finished_at = now if ends else row.finished_at
        connection.execute(_NOTE, {"named": batch, "to_fired": told, "to_finish": finished_at})
        if ends and row.parent is not None:
            how = How.FAILED if failed or row.cancelled else How.SUCCEEDED
            enqueued += [self.ended(connection, [End(row.parent, as_member(batch), how)], now)]
        return any(enqueued)

    def _fire(self, connection: Connection, callbacks: str, event: Event, now: float) -> bool:
        text = json.loads(callbacks).get(event)
        if text is None:
            return False
        payload = Payload(text).replace(enqueued_at=now)
        parent = batch_of(payload)
        if parent and self._locked(connection, parent) is not None:
            self._add(connection, parent, [payload.id], now)
        connection.execute(self._enqueue, [new_row(payload, now)])
        return True

    def _add(self, connection: Connection, batch: str, names: Sequence[str], now: float) -> None:
        if not names:
            return
        rows = [{"batch": batch, "member": name, "failed": 0} for name in names]
        connection.execute(self._new_member, rows)
        connection.execute(_COUNT, {"named": batch, "more": len(rows), "touched": now})

    def _locked(self, connection: Connection, batch: str) -> Row[Any] | None:
        return connection.execute(_LOCKED, {"named": batch}).one_or_none()


def _how(state: str | None, *, failed: bool) -> How | None:
    """The end of a member whose job is in that state, or gone; None if it has none, or it is known.

    A dead one that is removed stays what it was.
    """
    if state == State.COMPLETED:
        return How.SUCCEEDED
    if failed:
        return None
    if state is None:
        return How.REMOVED
    return How.FAILED if state == State.DEAD else None


def ends_of(settlements: Iterable[Settlement]) -> list[End]:
    """The ends that settlements bring to members of batches."""
    named = [each for each in settlements if MARK in each.claim.payload.text]
    return [end for each in named if (end := end_of(each)) is not None]
