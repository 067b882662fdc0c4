"""The verb claim."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Executable, Text, bindparam, exists, select

from jobkit.adapter import Claim, State
from jobkit_sql.lending import BORROWED, Borrowed, Lending, claim_of, new_token
from jobkit_sql.registry import Registry, not_registered
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import in_state, jobs, paused

__all__ = ["Take"]


class Take:
    """Lends the next jobs: queue by queue, each by its own index, never all queues in one sort."""

    def __init__(self, store: Store, lending: Lending, registry: Registry) -> None:
        self._store = store
        self._lending = lending
        self._registry = registry
        enqueued = in_state(State.ENQUEUED)
        queue = store.dialect.each("queues", Text()).c.value
        self._look = select(queue).where(
            exists().where(enqueued, jobs.c.queue == queue),
            ~exists().where(paused.c.queue == queue),
        )
        self._next = (
            select(*BORROWED)
            .where(
                enqueued,
                jobs.c.queue == bindparam("queue"),
                ~exists().where(paused.c.queue == bindparam("queue")),
            )
            .order_by(jobs.c.priority, jobs.c.run_at, jobs.c.key)
            .limit(bindparam("limit"))
            .with_for_update(skip_locked=True)
        )

    @again_if_undone
    def __call__(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        at_once = self._store.dialect.claim
        if at_once is not None:
            return self._at_once(at_once, list(dict.fromkeys(queues)), max(0, limit), worker)
        return self._step_by_step(queues, limit, worker)

    def _at_once(
        self, statement: Executable, queues: list[str], limit: int, worker: str
    ) -> list[Claim]:
        token = new_token()
        parameters = {
            "borrower": worker,
            "queues": queues,
            "most": limit,
            "now": self._store.time(),
            "token": token,
        }
        with self._store.single() as connection:
            rows = connection.execute(statement, parameters).all()
        if not rows:
            raise not_registered(worker)
        return [claim_of(key, token, text, loans) for key, text, loans in rows if key is not None]

    def _step_by_step(self, queues: Sequence[str], limit: int, worker: str) -> list[Claim]:
        ready = self._ready(queues, worker)
        if not ready or limit <= 0:
            return []
        now = self._store.time()
        with self._store.writing() as connection:
            self._registry.require(connection, worker)
            rows = self._pick(connection, ready, limit)
            return self._lending.lend(connection, rows, worker, now)

    def _ready(self, queues: Sequence[str], worker: str) -> list[str]:
        """Those with work, in their order. A plain read: the idle must not take the write lock."""
        with self._store.reading() as connection:
            self._registry.require(connection, worker)
            found = set(connection.scalars(self._look, {"queues": queues}))
        return [queue for queue in dict.fromkeys(queues) if queue in found]

    def _pick(self, connection: Connection, queues: Sequence[str], limit: int) -> list[Borrowed]:
        rows: list[Borrowed] = []
        for queue in queues:
            if len(rows) == limit:
                break
            parameters = {"queue": queue, "limit": limit - len(rows)}
            rows += connection.execute(self._next, parameters).all()
        return rows
