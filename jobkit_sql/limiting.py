"""Limits: who has the places of one, and who waits for it.

A row of `jobkit_places` is a claim to a place, not the place: it counts only while its job runs
under that very receipt. So whatever ends a claim frees its places, by whichever verb. A start
counts until it is old enough. Rows that do not count any more are removed where a limit is looked
at, which is done with its row in `jobkit_limits` locked; job rows are locked before it, but for
those that wait, which nobody locks who then wants a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Float,
    Integer,
    Row,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from jobkit.adapter import State
from jobkit.capabilities import LimitInfo
from jobkit.errors import AdapterError
from jobkit.limits import Limit, is_limited, limits_of, places_of
from jobkit.payload import Payload
from jobkit_sql.dialect import Dialect
from jobkit_sql.lending import Borrowed, Held
from jobkit_sql.tables import blocked, has_job, jobs, limits, places
from jobkit_sql.verdict import Verdict

__all__ = ["LOOK_DUE", "NEXT_LOOK", "Limiting"]

_TRIES: Final = 10
"""Times that a limit nobody uses may be removed between its insert and the lock on it."""

_LOOK_AGAIN: Final = 5.0
"""Seconds until upkeep looks after those who wait, should who was called have vanished."""

_PLACE: Final = bindparam("of_place", type_=Text())
_QUEUE: Final = bindparam("of_queue", type_=Text())
_JOB: Final = bindparam("of_job", type_=BigInteger())
# By the key alone, as is the state of who waits: with a state beside it the planner may take that
# state's own index, and walk all of it. Who has a receipt is running.
_RECEIPT: Final = select(jobs.c.receipt).where(jobs.c.key == places.c.job).scalar_subquery()
_HELD: Final = func.coalesce(_RECEIPT, "") == places.c.receipt
_STATE: Final = select(jobs.c.state).where(jobs.c.key == blocked.c.job).scalar_subquery()
_IS_BLOCKED: Final = jobs.c.state == State.BLOCKED.value
_FORGET_OLD: Final = delete(places).where(
    places.c.place == _PLACE, places.c.at <= bindparam("before", type_=Float())
)
_OLDEST: Final = select(func.min(places.c.at)).where(places.c.place == _PLACE)
# By the limit, too, which is the first in the index.
_THAT: Final = (
    places.c.place == _PLACE,
    places.c.job == _JOB,
    places.c.receipt == bindparam("of_receipt", type_=Text()),
)
_UNSTART: Final = delete(places).where(*_THAT)
_GOES_ON: Final = update(places).where(*_THAT).values(receipt=bindparam("to_receipt", type_=Text()))
_CHANGE: Final = (
    update(limits)
    .where(limits.c.place == _PLACE)
    .values(most=bindparam("to_most", type_=Integer()), per=bindparam("to_per", type_=Float()))
)
_LOOK_AT: Final = (
    update(limits).where(limits.c.place == _PLACE).values(look_at=bindparam("then", type_=Float()))
)
_FORGET: Final = delete(limits).where(limits.c.place == _PLACE)
_WAITS: Final = select(blocked.c.job).where(blocked.c.place == _PLACE).limit(1)
_BLOCK: Final = insert(blocked).from_select(
    ["job", "place", "queue", "priority", "run_at", "called"],
    select(
        jobs.c.key, _PLACE, jobs.c.queue, jobs.c.priority, jobs.c.run_at, literal(0, Integer())
    ).where(jobs.c.key == _JOB),
)
# One step of a walk over the queues: a DISTINCT would read everybody who waits.
# Nor min(), for which PostgreSQL 15 may do so, too.
_NEXT_QUEUE: Final = (
    select(blocked.c.queue)
    .where(blocked.c.place == _PLACE, blocked.c.queue > _QUEUE)
    .order_by(blocked.c.queue)
    .limit(1)
)
# No count, which SQLite 3.53 would make by reading all that wait, where most wait in one place.
_CALLED: Final = (
    select(blocked.c.job)
    .where(
        blocked.c.place == _PLACE,
        blocked.c.queue == _QUEUE,
        blocked.c.called == 1,
        _STATE.in_([State.ENQUEUED.value]),
    )
    .order_by(blocked.c.priority, blocked.c.run_at, blocked.c.job)
    .limit(bindparam("room"))
)
# Not called = 0: that would do for the index of all that wait in the queue, whatever for.
_NEXT: Final = (
    select(blocked.c.job)
    .where(
        blocked.c.place == _PLACE,
        blocked.c.queue == _QUEUE,
        blocked.c.called < 1,
        has_job(jobs.c.key == blocked.c.job, _IS_BLOCKED),
    )
    .order_by(blocked.c.called, blocked.c.priority, blocked.c.run_at, blocked.c.job)
    .limit(bindparam("room"))
)
_STRAY: Final = delete(blocked).where(
    blocked.c.place == _PLACE,
    ~has_job(
        jobs.c.key == blocked.c.job,
        or_(
            jobs.c.state == State.BLOCKED.value,
            (blocked.c.called == 1) & (jobs.c.state == State.ENQUEUED.value),
        ),
    ),
)
LOOK_DUE: Final = select(limits.c.place).where(limits.c.look_at <= bindparam("now"))
"""The limits that upkeep is to look at."""
NEXT_LOOK: Final = select(func.min(limits.c.look_at)).where(limits.c.per.is_not(None))
"""When starts of one will be old enough."""
# + "": not by a walk over all limits, of which few are due.
_DUE: Final = (
    LOOK_DUE.order_by(limits.c.place + literal_column("''"))
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_ALL: Final = select(limits).order_by(limits.c.key, func.coalesce(limits.c.per, 0.0))
_WAITING: Final = (
    select(blocked.c.place, func.count())
    .where(_STATE.in_([State.BLOCKED.value, State.ENQUEUED.value]))
    .group_by(blocked.c.place)
)
_TAKEN: Final = (
    select(places.c.place, func.count())
    .join(limits, limits.c.place == places.c.place)
    .where(
        or_(
            limits.c.per.is_(None) & _HELD,
            limits.c.per.is_not(None) & (places.c.at > bindparam("now") - limits.c.per),
        )
    )
    .group_by(places.c.place)
)


class Limiting:
    """Keeps jobs within their limits, as a part of its caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        wanted = dialect.one_of(places.c.place, "places")
        waiting = dialect.one_of(blocked.c.job, "keys")
        named = dialect.one_of(jobs.c.key, "keys")
        # Whom somebody else has locked is about to leave, and upkeep looks after the others.
        self._next = (
            select(jobs.c.key)
            .where(dialect.found_by(jobs.c.key, _NEXT), _IS_BLOCKED)
            .with_for_update(skip_locked=True)
        )
        self._new = dialect.insert_new(limits)
        self._lock = (
            select(limits)
            .where(dialect.one_of(limits.c.place, "places"))
            .order_by(limits.c.place)
            .with_for_update()
        )
        self._forget_ended = delete(places).where(wanted, ~_HELD)
        self._counts = select(places.c.place, func.count()).where(wanted).group_by(places.c.place)
        self._unblock = delete(blocked).where(waiting)
        self._withdrawn = delete(blocked).where(
            waiting,
            ~has_job(jobs.c.key == blocked.c.job, _IS_BLOCKED),
        )
        self._call = update(blocked).where(waiting).values(called=1)
        self._enqueue = update(jobs).where(named).values(state=State.ENQUEUED.value)
        self._set_aside = (
            update(jobs)
            .where(named)
            .values(state=State.BLOCKED.value, at=jobs.c.run_at, worker=None, receipt=None)
        )

    # Claiming

    def weigh(
        self, connection: Connection, rows: Sequence[Borrowed], now: float, *, most: int
    ) -> Verdict:
        """Which of the rows, whose jobs nobody else can touch, may be lent; at most so many.

        What it found stays true until the transaction ends. `enter` makes it so.
        """
        limited = {key: limits_of(Payload(text)) for key, text, _ in rows}
        verdict = Verdict(limited={key: found for key, found in limited.items() if found})
        wanted = {each.place: each for found in limited.values() for each in found}
        used = self._opened(connection, wanted, now) if wanted else Counter[str]()
        for row in rows:
            if len(verdict.granted) == most:
                break
            verdict.seen += 1
            verdict.weigh(row, limited[row[0]], used)
        return verdict

    def enter(self, connection: Connection, verdict: Verdict, token: str, now: float) -> int:
        """Note who has a place, under the receipts `token`, and who waits; how many were called."""
        granted = [row[0] for row in verdict.granted if row[0] in verdict.limited]
        touched = [*granted, *verdict.blocked]
        if not touched:
            return 0
        connection.execute(self._unblock, {"keys": touched})
        taken = [
            {"place": limit.place, "job": key, "receipt": token, "at": now}
            for key in granted
            if key not in verdict.full
            for limit in verdict.limited[key]
        ]
        if taken:
            connection.execute(insert(places), taken)
        if not verdict.blocked:
            return 0
        connection.execute(self._set_aside, {"keys": list(verdict.blocked)})
        waits = [{"of_job": key, "of_place": place} for key, place in verdict.blocked.items()]
        connection.execute(_BLOCK, waits)
        return self.call(
            connection,
            {limit.place for key in verdict.blocked for limit in verdict.limited[key]},
            now,
        )

    # Whoever ends a claim

    def freed(self, connection: Connection, texts: Iterable[str], now: float) -> int:
        """The claims to these jobs are over: let those try that wait; how many there were."""
        found = {place for text in texts for place in places_of(Payload(text))}
        return self.call(connection, found, now) if found else 0

    def recovered(
        self, connection: Connection, rows: Iterable[Held], token: str, now: float
    ) -> int:
        """The claims go on under this token, without places; how many others may try.

        Starts stay, and can be taken back yet.
        """
        limited = [row for row in rows if is_limited(Payload(row[1]))]
        called = self.freed(connection, (row[1] for row in limited), now)
        starts = [
            {"of_place": limit.place, "of_job": key, "of_receipt": old, "to_receipt": token}
            for key, text, _, old in limited
            for limit in limits_of(Payload(text))
            if limit.per is not None
        ]
        if starts:
            connection.execute(_GOES_ON, starts)
        return called

    def unstart(self, connection: Connection, claims: Iterable[tuple[int, str, Payload]]) -> None:
        """The jobs with these keys and receipts' tokens never came to a start: it counts not."""
        gone = [
            {"of_job": key, "of_place": place, "of_receipt": token}
            for key, token, payload in claims
            for place in places_of(payload)
        ]
        if gone:
            connection.execute(_UNSTART, gone)

    def withdraw(
        self, connection: Connection, waiting: Sequence[tuple[int, Payload]], now: float
    ) -> int:
        """The jobs, which may have waited, were moved or deleted; how many others may try."""
        limited = [(key, payload) for key, payload in waiting if places_of(payload)]
        if not limited:
            return 0
        connection.execute(self._withdrawn, {"keys": [key for key, _ in limited]})
        return self.freed(connection, (payload.text for _, payload in limited), now)

    # Upkeep

    def look(self, connection: Connection, now: float, limit: int) -> int:
        """Let those try whose limits have room by now; how many."""
        due = set(connection.scalars(_DUE, {"now": now, "limit": limit}))
        for place in sorted(due):
            connection.execute(_STRAY, {"of_place": place})
        return self.call(connection, due, now) if due else 0

    def call(self, connection: Connection, wanted: Collection[str], now: float) -> int:
        """Have jobs enqueued again that may find a place in these limits; how many.

        Of each queue as many as would find one alone: nobody may be working another queue.
        """
        rows = connection.execute(self._lock, {"places": sorted(wanted)}).all()
        used = self._tidied(connection, rows, now)
        called: list[int] = []
        for row in rows:
            found, waiting = self._callable(connection, row.place, row.most - used[row.place])
            called += found
            self._look_later(connection, row, now, waiting=waiting, used=used[row.place])
        if called:
            connection.execute(self._call, {"keys": called})
            connection.execute(self._enqueue, {"keys": called})
        return len(called)

    def infos(self, connection: Connection, now: float) -> list[LimitInfo]:
        """See `SupportsLimits.limits`."""
        taken: dict[str, int] = dict(connection.execute(_TAKEN, {"now": now}).all())
        waiting: dict[str, int] = dict(connection.execute(_WAITING).all())
        return [
            LimitInfo(key, most, per, taken.get(place, 0), waiting.get(place, 0))
            for place, key, per, most, _ in connection.execute(_ALL)
            if place in taken or place in waiting
        ]

    def _opened(
        self, connection: Connection, wanted: Mapping[str, Limit], now: float
    ) -> Counter[str]:
        """The places taken in these limits, whose rows are made and locked."""
        new = [
            {"place": place, "key": limit.key, "per": limit.per, "most": limit.to, "look_at": None}
            for place, limit in sorted(wanted.items())
        ]
        for _ in range(_TRIES):
            connection.execute(self._new, new)
            rows = connection.execute(self._lock, {"places": list(wanted)}).all()
            if len(rows) == len(wanted):
                self._renew(connection, rows, wanted)
                return self._tidied(connection, rows, now)
        raise AdapterError("a limit could not be locked: it comes and goes too fast")

    def _renew(
        self, connection: Connection, rows: Sequence[Row[Any]], wanted: Mapping[str, Limit]
    ) -> None:
        """The class may say something else by now."""
        changed = [
            {"of_place": row.place, "to_most": limit.to, "to_per": limit.per}
            for row, limit in ((row, wanted[row.place]) for row in rows)
            if (row.most, row.per) != (limit.to, limit.per)
        ]
        if changed:
            connection.execute(_CHANGE, changed)

    def _tidied(self, connection: Connection, rows: Sequence[Row[Any]], now: float) -> Counter[str]:
        """How many places are taken, once what does not count any more is gone."""
        wanted = {"places": [row.place for row in rows]}
        if held := [row.place for row in rows if row.per is None]:
            connection.execute(self._forget_ended, {"places": held})
        old = [{"of_place": row.place, "before": now - row.per} for row in rows if row.per]
        if old:
            connection.execute(_FORGET_OLD, old)
        counts: dict[str, int] = dict(connection.execute(self._counts, wanted).all())
        return Counter(counts)

    def _callable(self, connection: Connection, place: str, room: int) -> tuple[list[int], bool]:
        """The jobs to be called, and whether anybody waits."""
        if room <= 0:
            waits = connection.scalar(_WAITS, {"of_place": place})
            return [], waits is not None
        found: list[int] = []
        here = {"of_place": place, "of_queue": ""}
        while (queue := connection.scalar(_NEXT_QUEUE, here)) is not None:
            here = {"of_place": place, "of_queue": queue}
            called = len(connection.scalars(_CALLED, {**here, "room": room}).all())
            if called < room:
                found += connection.scalars(self._next, {**here, "room": room - called})
        return found, here["of_queue"] != ""

    def _look_later(
        self, connection: Connection, row: Row[Any], now: float, *, waiting: bool, used: int
    ) -> None:
        """Have upkeep look again when it must; a limit that nobody uses is forgotten."""
        if not used and not waiting:
            connection.execute(_FORGET, {"of_place": row.place})
            return
        then = now + _LOOK_AGAIN if waiting else None
        if row.per is not None and used:
            oldest: float = connection.scalar(_OLDEST, {"of_place": row.place}) or now
            old = oldest + row.per
            # While there is room, who was called may have vanished, and others been locked.
            then = old if then is None or used >= row.most else min(then, old)
        if then != row.look_at:
            connection.execute(_LOOK_AT, {"of_place": row.place, "then": then})
