"""Recurring entries: kept by name, each tick enqueued once."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Float, Integer, Row, Text, bindparam, case, delete, select, update

from jobkit.capabilities import StoredEntry
from jobkit.locks import Lock
from jobkit.payload import Payload
from jobkit_sql.placing import new_row
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import jobs, recurring
from jobkit_sql.unique import EnqueueUnique

__all__ = ["Ticks"]

RUNS: Final = 10
"""Ticks that an entry's history holds."""

_LONG_AGO: Final = 0.0
_NAMED: Final = recurring.c.name == bindparam("entry_name", type_=Text())
_ALL: Final = select(recurring).order_by(recurring.c.name)
_SINCE: Final = bindparam("since", type_=Float())
_LATER: Final = case((recurring.c.last < _SINCE, _SINCE), else_=recurring.c.last)
_REPLACE: Final = (
    update(recurring)
    .where(_NAMED)
    .values(
        entry=bindparam("text", type_=Text()),
        owner=bindparam("to_owner", type_=Text()),
        last=_LATER,
    )
)
_REMOVE: Final = delete(recurring).where(_NAMED)
_PAUSE: Final = (
    update(recurring)
    .where(_NAMED)
    .values(paused=bindparam("to_paused", type_=Integer()), last=_LATER)
)
_TICKABLE: Final = (
    select(recurring.c.runs)
    .where(_NAMED, recurring.c.paused == 0, recurring.c.last < bindparam("tick", type_=Float()))
    .with_for_update()
)
_TICKED: Final = (
    update(recurring)
    .where(_NAMED)
    .values(last=bindparam("tick", type_=Float()), runs=bindparam("to_runs", type_=Text()))
)


class Ticks:
    """See `SupportsTicks`."""

    def __init__(self, store: Store, enqueue_unique: EnqueueUnique) -> None:
        self._store = store
        self._insert = store.dialect.insert_new(recurring)
        self._enqueue = store.dialect.insert_new(jobs)
        self._enqueue_unique = enqueue_unique

    def entries(self) -> tuple[float, list[StoredEntry]]:
        """See `SupportsTicks.entries`."""
        with self._store.reading() as connection:
            found = [_stored(row) for row in connection.execute(_ALL)]
        return self._store.time(), found

    def put(self, name: str, text: str, owner: str, *, anew: bool) -> None:
        """See `SupportsTicks.put_entry`."""
        now = self._store.time()
        new = {"name": name, "entry": text, "owner": owner, "last": now, "paused": 0, "runs": "[]"}
        since = now if anew else _LONG_AGO
        changed = {"entry_name": name, "text": text, "to_owner": owner, "since": since}
        with self._store.writing() as connection:
            connection.execute(self._insert, new)
            connection.execute(_REPLACE, changed)

    def remove(self, name: str) -> bool:
        """See `SupportsTicks.remove_entry`."""
        with self._store.writing() as connection:
            return connection.execute(_REMOVE, {"entry_name": name}).rowcount > 0

    def pause(self, name: str, *, paused: bool) -> bool:
        """See `SupportsTicks.pause_entry`."""
        changed = {"entry_name": name, "to_paused": int(paused), "since": self._store.time()}
        with self._store.writing() as connection:
            return connection.execute(_PAUSE, changed).rowcount > 0

    @again_if_undone
    def tick(self, name: str, at: float, payload: Payload) -> bool:
        """See `SupportsTicks.tick`."""
        now = self._store.time()
        row = new_row(payload, now)
        with self._store.writing() as connection:
            runs = connection.scalar(_TICKABLE, {"entry_name": name, "tick": at})
            if runs is None:
                return False
            if Lock.of(payload) is None:
                connection.execute(self._enqueue, [row])
            elif self._enqueue_unique.admit(connection, [payload], now) != [None]:
                connection.execute(_TICKED, {"entry_name": name, "tick": at, "to_runs": runs})
                return True
            kept = json.dumps([[at, row["id"]], *json.loads(runs)[: RUNS - 1]])
            connection.execute(_TICKED, {"entry_name": name, "tick": at, "to_runs": kept})
        self._store.announce()
        return True


def _stored(row: Row[Any]) -> StoredEntry:
    runs = tuple((at, job) for at, job in json.loads(row.runs))
    return StoredEntry(row.name, row.entry, row.owner, row.last, bool(row.paused), runs)
