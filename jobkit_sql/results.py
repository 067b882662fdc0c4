"""What jobs came to, kept with their settlement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Float, Text, bindparam, delete, literal_column, select

from jobkit.adapter import Ack, Bury, Settlement
from jobkit_sql.store import Store
from jobkit_sql.tables import results

__all__ = ["EXPIRED", "NEXT_EXPIRED", "Results"]

_ENDS: Final = (Ack, Bury)
_ENDED: Final = results.c.ends_at <= bindparam("now", type_=Float())
_FIND: Final = select(results.c.result).where(
    results.c.job == bindparam("of_job", type_=Text()),
    # + 0: not by the index of the ends, of which most are still to come.
    results.c.ends_at + literal_column("0") > bindparam("now", type_=Float()),
)
EXPIRED: Final = select(results.c.job).where(_ENDED).exists()
NEXT_EXPIRED: Final = (
    select(results.c.job)
    .where(_ENDED)
    .order_by(results.c.ends_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


class Results:
    """See `SupportsResults`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._forget = delete(results).where(store.dialect.one_of(results.c.job, "ids"))
        self._new = store.dialect.insert_new(results)

    def keep(self, connection: Connection, settlements: Iterable[Settlement], now: float) -> None:
        """Keep those that the settlements bring, in place of earlier ones."""
        rows = {
            each.claim.payload.id: {
                "job": each.claim.payload.id,
                "result": each.result.text,
                "ends_at": now + each.result.seconds,
            }
            for each in settlements
            if isinstance(each, _ENDS) and each.result is not None
        }
        if rows:
            connection.execute(self._forget, {"ids": list(rows)})
            connection.execute(self._new, [rows[job] for job in sorted(rows)])

    def find(self, job_id: str) -> str | None:
        """See `SupportsResults.result`."""
        with self._store.reading() as connection:
            found: str | None = connection.scalar(
                _FIND, {"of_job": job_id, "now": self._store.time()}
            )
        return found
