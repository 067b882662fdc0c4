"""The registered workers: counters, presence and orders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from jobkit.adapter import Presence, Pulse
from jobkit.errors import LeaseLost
from jobkit_sql.dialect import Dialect
from jobkit_sql.tables import workers

__all__ = ["Listed", "Registry", "not_registered"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A worker that told its presence. `beat_at` is wall time in seconds."""

    id: str
    presence: Presence
    beat_at: float


def not_registered(worker: str) -> LeaseLost:
    """The error of a worker that has no row."""
    return LeaseLost(f"the worker {worker} is not registered (any more)")


class Registry:
    """The workers' rows. A worker without a row may claim nothing and holds nothing."""

    def __init__(self, dialect: Dialect) -> None:
        is_it = workers.c.id == bindparam("worker")
        self._add = dialect.insert_new(workers)
        # A share of the row: whoever removes the worker waits until the claim is complete, while
        # beats go on.
        self._get = select(workers.c.id).where(is_it).with_for_update(read=True, key_share=True)
        self._move = (
            update(workers)
            .where(is_it)
            .values(
                beat=workers.c.beat + 1,
                lease=bindparam("seconds"),
                beat_at=bindparam("now"),
                presence=func.coalesce(bindparam("told"), workers.c.presence),
            )
        )
        self._orders = select(workers.c.orders).where(is_it)
        self._obeyed = update(workers).where(is_it).values(orders="")
        self._order = (
            update(workers).where(is_it).values(orders=workers.c.orders + " " + bindparam("word"))
        )
        self._remove = delete(workers).where(is_it)
        self._remove_at = self._remove.where(workers.c.beat == bindparam("counter"))
        self._pulses = select(workers.c.id, workers.c.beat, workers.c.lease)
        self._listed = select(workers.c.id, workers.c.presence, workers.c.beat_at).where(
            workers.c.presence.is_not(None)
        )

    def require(self, connection: Connection, worker: str) -> None:
        """Raise LeaseLost unless the worker is registered; it stays so to the transaction's end."""
        if connection.scalar(self._get, {"worker": worker}) is None:
            raise not_registered(worker)

    def add(self, connection: Connection, worker: str) -> None:
        """Register the worker; one that is registered stays as it is."""
        row = {
            "id": worker,
            "beat": 0,
            "lease": 0.0,
            "beat_at": 0.0,
            "presence": None,
            "orders": "",
        }
        connection.execute(self._add, row)

    def beat(
        self,
        connection: Connection,
        worker: str,
        *,
        lease: float,
        presence: Presence | None,
        now: float,
    ) -> bool:
        """Move the counter and publish; False if the worker is not registered."""
        told = json.dumps(asdict(presence)) if presence else None
        parameters = {"worker": worker, "seconds": lease, "told": told, "now": now}
        return connection.execute(self._move, parameters).rowcount > 0

    def leave_order(self, connection: Connection, worker: str, order: str) -> bool:
        """Keep the order, one word, for the worker; False if it is not registered."""
        return connection.execute(self._order, {"worker": worker, "word": order}).rowcount > 0

    def take_orders(self, connection: Connection, worker: str) -> frozenset[str]:
        """The orders that wait for the worker; they wait no longer."""
        orders: str = connection.scalar(self._orders, {"worker": worker}) or ""
        if orders:
            connection.execute(self._obeyed, {"worker": worker})
        return frozenset(orders.split())

    def remove(self, connection: Connection, worker: str, *, beat: int | None = None) -> bool:
        """Remove the worker, with `beat` only if that is its counter; False if nothing happened."""
        if beat is None:
            return connection.execute(self._remove, {"worker": worker}).rowcount > 0
        parameters = {"worker": worker, "counter": beat}
        return connection.execute(self._remove_at, parameters).rowcount > 0

    def pulses(self, connection: Connection) -> Mapping[str, Pulse]:
        """Every worker's counter and lease."""
        rows = connection.execute(self._pulses)
        return {worker: Pulse(beat, lease) for worker, beat, lease in rows}

    def listed(self, connection: Connection) -> list[Listed]:
        """The workers that told their presence, the one that started first leading."""
        rows = connection.execute(self._listed)
        found = [Listed(worker, _presence(text), beat_at) for worker, text, beat_at in rows]
        return sorted(found, key=lambda each: (each.presence.started_at, each.id))


def _presence(text: str) -> Presence:
    told: dict[str, Any] = json.loads(text)
    return Presence(
        host=told["host"],
        pid=told["pid"],
        queues=tuple(told["queues"]),
        concurrency=told["concurrency"],
        started_at=told["started_at"],
        quiet=told["quiet"],
        rss=told["rss"],
        embedded=told.get("embedded", False),  # older workers do not say
    )
