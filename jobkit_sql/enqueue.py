"""The verb enqueue."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from jobkit.payload import Payload
from jobkit_sql.placing import NEW, new_row
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import jobs

__all__ = ["Enqueue"]


class Enqueue:
    """Stores jobs: all of a call or none, the same id once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._insert = store.dialect.insert_new(jobs)
        self._insert_one = store.dialect.inserting_one(jobs, NEW)
        self._insert_many = store.dialect.inserting(jobs, NEW)

    @again_if_undone
    def __call__(self, payloads: Sequence[Payload]) -> None:
        if not payloads or self._store.put_off(lambda: self(payloads)):
            return
        now = self._store.time()
        rows = [new_row(payload, now) for payload in payloads]
        if len(rows) > 1 or not self._store.insert_one(self._insert_one, [*rows[0].values()]):
            with self._store.single() as connection:
                self._insert_many(connection, rows)
        self._store.announce()

    def through(self, connection: Connection, payloads: Sequence[Payload]) -> None:
        """The same as a part of a transaction of the application's."""
        if not payloads:
            return
        now = self._store.time()
        connection.execute(self._insert, [new_row(payload, now) for payload in payloads])
        self._store.dialect.announce_through(connection)
