"""The verb enqueue."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from jobkit.alike import Alike
from jobkit.payload import Payload
from jobkit_sql.placing import COMMON, NEW, OWN, new_row, new_values
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
        self._insert_alike = store.dialect.inserting_alike(jobs, COMMON, OWN)

    @again_if_undone
    def __call__(self, payloads: Sequence[Payload]) -> None:
        if len(payloads) == 1:
            row = partial(new_values, payloads[0])
            if self._store.insert_one(self._insert_one, row):
                return
        if payloads and not self._store.put_off(lambda: self(payloads)):
            self._store_many(payloads)

    def _store_many(self, payloads: Sequence[Payload]) -> None:
        now = self._store.time()
        if isinstance(payloads, Alike):
            values = new_row(payloads.first, now)
            common = [values[name] for name in COMMON]
            with self._store.single() as connection:
                self._insert_alike(connection, common, (payloads.ids, payloads.texts))
        else:
            rows = [new_row(payload, now) for payload in payloads]
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
