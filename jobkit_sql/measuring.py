"""What workers measured, by the minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, bindparam, case, delete, func, select

from jobkit.clock import as_datetime
from jobkit.measures import FAILED, KEPT, Measure, MinuteStats
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import measures

__all__ = ["Measuring"]

_SINCE: Final = measures.c.minute >= bindparam("first", type_=BigInteger())
_OLD: Final = delete(measures).where(measures.c.minute <= bindparam("last", type_=BigInteger()))
_FAILURES: Final = func.sum(case((measures.c.bucket == FAILED, measures.c.runs), else_=0))
_MINUTES: Final = (
    select(measures.c.minute, func.sum(measures.c.runs), _FAILURES)
    .where(_SINCE)
    .group_by(measures.c.minute)
)
_SUMS: Final = (
    select(
        measures.c.job_class,
        measures.c.bucket,
        func.sum(measures.c.runs),
        func.sum(measures.c.seconds),
    )
    .where(_SINCE)
    .group_by(measures.c.job_class, measures.c.bucket)
)


class Measuring:
    """See `SupportsMetrics`. Who is the first to record in a minute forgets those that are old."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._add = store.dialect.adding(measures, "runs", "seconds")
        self._tidied = 0

    @again_if_undone
    def record(self, given: Sequence[Measure]) -> None:
        """See `SupportsMetrics.record`."""
        minute = self._minute()
        # In one order, so that workers which record at once do not wait for each other in a ring.
        ordered = sorted(given, key=lambda each: (each.job_class, each.bucket))
        rows = [
            {
                "minute": minute,
                "job_class": each.job_class,
                "bucket": each.bucket,
                "runs": each.runs,
                "seconds": each.seconds,
            }
            for each in ordered
        ]
        with self._store.writing() as connection:
            connection.execute(self._add, rows)
            if minute != self._tidied:
                connection.execute(_OLD, {"last": minute - KEPT * 60})
        self._tidied = minute

    def minutes(self, hours: int) -> list[MinuteStats]:
        """See `SupportsMetrics.minutes`."""
        wanted = self._last(hours)
        with self._store.reading() as connection:
            rows = connection.execute(_MINUTES, {"first": wanted.start})
            counts = {minute: (int(runs), int(failed)) for minute, runs, failed in rows}
        return [
            MinuteStats(as_datetime(minute * 60), *counts.get(minute, (0, 0))) for minute in wanted
        ]

    def measures(self, hours: int) -> list[Measure]:
        """See `SupportsMetrics.measures`."""
        with self._store.reading() as connection:
            rows = connection.execute(_SUMS, {"first": self._last(hours).start})
            return [Measure(name, bucket, int(runs), total) for name, bucket, runs, total in rows]

    def _minute(self) -> int:
        return int(self._store.time() // 60)

    def _last(self, hours: int) -> range:
        now = self._minute()
        return range(now - hours * 60 + 1, now + 1)
