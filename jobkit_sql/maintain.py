"""The verb maintain."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    Update,
    bindparam,
    delete,
    or_,
    select,
    update,
)

from jobkit.adapter import Maintenance, Retention, State
from jobkit_sql.dialect import Dialect
from jobkit_sql.hindrances import Hindrances
from jobkit_sql.limiting import LOOK_DUE, NEXT_LOOK, Limiting
from jobkit_sql.registry import Registry
from jobkit_sql.results import EXPIRED, NEXT_EXPIRED
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.strays import Strays
from jobkit_sql.tables import batches, in_state, jobs, results

__all__ = ["Maintain"]

_DAY: Final = 86_400.0
_WAITING: Final = (State.SCHEDULED, State.RETRY)


class Maintain:
    """Promotes what fell due and trims what was kept long enough, in slices.

    Looks with plain reads first and takes the write lock only when there is something to do.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        limiting: Limiting,
        strays: Strays,
        retention: Retention,
    ) -> None:
        self._store = store
        self._strays = strays
        self._limiting = limiting
        self._registry = registry
        self._retention = retention
        self._hindrances = Hindrances(store)
        self._has_batches = self._has_expired = False
        within = partial(_slice, store.dialect)
        self._promote = tuple(
            update(jobs).where(within(_due(state))).values(state=State.ENQUEUED.value)
            for state in _WAITING
        )
        self._trim_dead = tuple(
            delete(jobs).where(within(found)) for found in (_older(State.DEAD, "died"), _TOO_MANY)
        )
        self._trim_completed = (delete(jobs).where(within(_older(State.COMPLETED, "ended"))),)
        self._forget_expired = delete(results).where(
            store.dialect.found_by(results.c.job, NEXT_EXPIRED)
        )

    def __call__(self, *, limit: int) -> Maintenance:
        """See `Adapter.maintain`."""
        self._store.take_in()
        maintenance = self._maintain(limit)
        if self._has_batches:
            self._strays.upkeep()
        self._hindrances.look()
        return maintenance

    @again_if_undone
    def _maintain(self, limit: int) -> Maintenance:
        now = self._store.time()
        promoted = trimmed = called = 0
        if self._has_work(now):
            with self._store.writing() as connection:
                parameters = self._parameters(now)
                promoted = _run(connection, self._promote, limit, parameters)
                trimmed = _run(connection, self._trim_dead, limit, parameters)
                trimmed += _run(connection, self._trim_completed, limit, parameters)
                if self._has_expired:
                    connection.execute(self._forget_expired, {"now": now, "limit": limit})
                called = self._limiting.look(connection, now, limit)
            if promoted or called:
                self._store.announce()
        with self._store.reading() as connection:
            due_in = _due_in(connection, now)
            return Maintenance(promoted, trimmed, due_in, self._registry.pulses(connection))

    def _has_work(self, now: float) -> bool:
        with self._store.reading() as connection:
            found = connection.execute(_LOOK, {**self._parameters(now), "limit": 1}).one()
        self._has_batches = bool(found[1])
        self._has_expired = bool(found[2])
        return bool(found[0]) or self._has_expired

    def _parameters(self, now: float) -> dict[str, float]:
        retention = self._retention
        return {
            "now": now,
            "died": now - retention.dead_days * _DAY,
            "ended": now - retention.keep_finished,
            "dead_max": retention.dead_max,
        }


def _slice(dialect: Dialect, found: Select[int]) -> ColumnElement[bool]:
    limited = found.limit(bindparam("limit")).with_for_update(skip_locked=True)
    return dialect.found_by(jobs.c.key, limited)


def _due(state: State) -> Select[int]:
    found = select(jobs.c.key).where(in_state(state), jobs.c.run_at <= bindparam("now"))
    return found.order_by(jobs.c.run_at, jobs.c.key)


def _older(state: State, moment: str) -> Select[int]:
    return select(jobs.c.key).where(in_state(state), jobs.c.at <= bindparam(moment))


# Every row has such an `at`. Without a range SQLite, when it was analyzed while the table was
# small, prefers to sort all of it.
_TOO_MANY: Final = (
    select(jobs.c.key)
    .where(in_state(State.DEAD), jobs.c.at >= 0.0)
    .order_by(jobs.c.at.desc(), jobs.c.key.desc())
    .offset(bindparam("dead_max"))
)


_LOOK: Final = select(
    or_(
        *(_due(state).exists() for state in _WAITING),
        _older(State.DEAD, "died").exists(),
        _TOO_MANY.limit(bindparam("limit")).exists(),
        _older(State.COMPLETED, "ended").exists(),
        LOOK_DUE.exists(),
    ),
    select(batches.c.id).exists(),
    EXPIRED,
)


def _first_due(state: State) -> Select[float]:
    # No min(), for which PostgreSQL 15 may read all of them. With a range, see above, for SQLite.
    waiting = select(jobs.c.run_at).where(in_state(state), jobs.c.run_at >= 0.0)
    return waiting.order_by(jobs.c.run_at, jobs.c.key).limit(1)


_NEXT_DUE: Final = select(
    *(_first_due(state).scalar_subquery() for state in _WAITING), NEXT_LOOK.scalar_subquery()
)


def _run(
    connection: Connection,
    statements: Iterable[Update | Delete],
    limit: int,
    parameters: dict[str, float],
) -> int:
    """Rows changed by the statements together, at most `limit`."""
    changed = 0
    for statement in statements:
        if changed < limit:
            slice_ = {**parameters, "limit": limit - changed}
            changed += connection.execute(statement, slice_).rowcount
    return changed


def _due_in(connection: Connection, now: float) -> float | None:
    moments = [moment for moment in connection.execute(_NEXT_DUE).one() if moment is not None]
    return max(0.0, min(moments) - now) if moments else None
