"""Processed and failed runs, counted by the day (UTC)."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from jobkit.capabilities import DayStats
from jobkit.clock import as_datetime
from jobkit_sql.dialect import Dialect
from jobkit_sql.tables import stats

__all__ = ["Counters"]


class Counters:
    """One row a day; the totals are their sum."""

    def __init__(self, dialect: Dialect) -> None:
        self._new_day = dialect.insert_new(stats)
        self._add = (
            update(stats)
            .where(stats.c.day == bindparam("today"))
            .values(
                processed=stats.c.processed + bindparam("runs"),
                failed=stats.c.failed + bindparam("failures"),
            )
        )
        self._totals = select(func.sum(stats.c.processed), func.sum(stats.c.failed))
        self._since = select(stats.c.day, stats.c.processed, stats.c.failed).where(
            stats.c.day >= bindparam("first")
        )

    def add(self, connection: Connection, now: float, *, processed: int, failed: int) -> None:
        """Count on the day of `now`. The last statement of its transaction.

        Every settlement of every worker meets in this one row, and nobody may hold it for long.
        """
        if not processed:
            return
        day = as_datetime(now).date().isoformat()
        parameters = {"today": day, "runs": processed, "failures": failed}
        if not connection.execute(self._add, parameters).rowcount:
            connection.execute(self._new_day, {"day": day, "processed": 0, "failed": 0})
            connection.execute(self._add, parameters)

    def totals(self, connection: Connection) -> tuple[int, int]:
        """Processed and failed since the store began."""
        processed, failed = connection.execute(self._totals).one()
        return int(processed or 0), int(failed or 0)  # PostgreSQL's sums are decimals

    def history(self, connection: Connection, now: float, days: int) -> list[DayStats]:
        """The last `days` days up to that of `now`, oldest first, none left out."""
        today = as_datetime(now).date()
        wanted = [today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
        first = wanted[0].isoformat() if wanted else today.isoformat()
        rows = connection.execute(self._since, {"first": first})
        counted = {day: (processed, failed) for day, processed, failed in rows}
        return [_day(day, *counted.get(day.isoformat(), (0, 0))) for day in wanted]


def _day(day: date, processed: int, failed: int) -> DayStats:
    return DayStats(date=day, processed=processed, failed=failed)
