"""The verb claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, Text, bindparam, exists, select

from jobkit.adapter import Claim, State
from jobkit.limits import MARK, is_limited
from jobkit_sql.lending import BORROWED, Borrowed, Lending, claim_of, key_of, new_token
from jobkit_sql.limiting import Limiting
from jobkit_sql.registry import Registry, not_registered
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import has_job, in_state, jobs, paused
from jobkit_sql.verdict import Verdict

__all__ = ["Take"]

_LARGEST: Final = 512
"""Rows met in one transaction, where all were set aside."""


class Take:
    """Lends the next jobs: queue by queue, each by its own index, never all queues in one sort."""

    def __init__(
        self, store: Store, lending: Lending, registry: Registry, limiting: Limiting
    ) -> None:
        self._store = store
        self._limiting = limiting
        self._lending = lending
        self._registry = registry
        enqueued = in_state(State.ENQUEUED)
        queue = store.dialect.each("queues", Text()).c.value
        self._look = select(queue).where(
            has_job(enqueued, jobs.c.queue == queue),
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
        queues, limit, token = list(dict.fromkeys(queues)), max(0, limit), new_token()
        rows = self._store.lend(worker, queues, limit, self._store.time(), token)
        if rows is None:
            return self._step_by_step(queues, limit, worker)
        if not rows:
            raise not_registered(worker)
        claims = [claim_of(key, token, text, loans) for key, text, loans in rows if key is not None]
        if any(is_limited(claim.payload) for claim in claims):
            return self._within_limits(claims, token, queues, limit, worker)
        return claims

    def _within_limits(
        self, claims: list[Claim], token: str, queues: list[str], limit: int, worker: str
    ) -> list[Claim]:
        """Those of the claims, just lent, that found their places; others instead of the rest.

        Until then they have none, and whoever takes them from a worker that died only gives them
        back: none was ever handed out. Nor is what somebody took before, from one that stood still.
        """
        verdict = self._entered(claims, token)
        granted = {key for key, _, _ in verdict.granted}
        kept = [
            replace(claim, full=verdict.full.get(key))
            for claim in claims
            if (key := key_of(claim.receipt)) in granted or not is_limited(claim.payload)
        ]
        if verdict.blocked:
            kept += self._step_by_step(queues, limit - len(kept), worker)
        return kept

    @again_if_undone
    def _entered(self, claims: Sequence[Claim], token: str) -> Verdict:
        limited = {key_of(claim.receipt): claim for claim in claims if is_limited(claim.payload)}
        now = self._store.time()
        with self._store.writing() as connection:
            valid = self._lending.receipts_for(connection, limited)
            rows = [
                (key, claim.payload.text, claim.deliveries)
                for key, claim in limited.items()
                if claim.receipt in valid
            ]
            verdict = self._limiting.weigh(connection, rows, now, most=len(rows))
            called = self._limiting.enter(connection, verdict, token, now)
        if called:
            self._store.announce()
        return verdict

    def _step_by_step(self, queues: Sequence[str], limit: int, worker: str) -> list[Claim]:
        """Slice after slice, larger each time, until what is met is not all set aside."""
        ready = self._ready(queues, worker)
        claims: list[Claim] = []
        size = limit
        while ready and len(claims) < limit:
            found, more = self._pass(ready, limit - len(claims), size, worker)
            claims += found
            if not more:
                break
            size = min(2 * size, _LARGEST)
        return claims

    @again_if_undone
    def _pass(
        self, queues: Sequence[str], limit: int, size: int, worker: str
    ) -> tuple[list[Claim], bool]:
        """Claims from the next `size` rows; True when some were set aside: more may follow."""
        now = self._store.time()
        with self._store.writing() as connection:
            self._registry.require(connection, worker)
            rows = self._pick(connection, queues, size)
            if not any(MARK in text for _, text, _ in rows):
                return self._lending.lend(connection, rows[:limit], worker, now), False
            token = new_token()
            verdict = self._limiting.weigh(connection, rows, now, most=limit)
            claims = self._lending.lend(connection, verdict.granted, worker, now, token)
            called = self._limiting.enter(connection, verdict, token, now)
        if called:
            self._store.announce()
        full = verdict.full
        claims = [replace(claim, full=full.get(key_of(claim.receipt))) for claim in claims]
        return claims, bool(verdict.blocked)

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
