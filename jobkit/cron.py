"""The moments that a cron expression names, in a time zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

__all__ = ["ALIASES", "Schedule"]

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names for common expressions."""

_WITH_SECONDS: Final = 6
_SHAPE: Final = (
    'give five fields (minute, hour, day of month, month, day of week: "0 3 * * *"), six with'
    f" seconds first, or one of {', '.join(ALIASES)}"
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Five fields as Debian's cron reads them, six with seconds first, or an alias.

    Where the clocks jump forward, a tick at a skipped time of day comes right after the jump;
    where they are set back, it comes once. What ticks within each hour goes on as time does.
    Raises ValueError for an expression that says nothing or never comes, and for an unknown zone.
    """

    expression: str
    timezone: str = "UTC"
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _fields: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", _zone(self.timezone))
        object.__setattr__(self, "_fields", _fields(self.expression))
        try:
            first = self.next(0.0)
        except CronSimError as error:
            problem = f"{self.expression!a} is no cron expression ({error}): {_SHAPE}"
            raise ValueError(problem) from error
        if first is None:
            raise ValueError(f"the cron expression {self.expression!a} names no moment")

    def next(self, after: float) -> float | None:
        """The first tick behind `after`, in seconds since the epoch; None when none comes."""
        return next(self._from(after), None)

    def between(self, after: float, until: float, *, limit: int) -> list[float]:
        """The latest ticks in `(after, until]`, at most `limit`, in their order."""
        width = 60.0
        while True:
            start = max(after, until - width)
            found = list(takewhile(lambda tick: tick <= until, self._from(start)))
            if len(found) >= limit or start == after:
                return found[-limit:]
            width *= 16

    def _from(self, after: float) -> Iterator[float]:
        # From a minute before, as the minute that runs may hold more seconds to come.
        start = datetime.fromtimestamp(after - 60, self._zone)
        return _rising(self._ticks(start), after)

    def _ticks(self, start: datetime) -> Iterator[float]:
        simulated = CronSim(" ".join(self._fields), start)
        if not _at_times_of_day(self._fields):
            return (tick.timestamp() for tick in simulated)
        # cronsim keeps its care for changes of the clocks to five fields.
        seconds = sorted(simulated.seconds)
        minutes = CronSim(" ".join(self._fields[1:]), start)
        return (tick.timestamp() + second for tick in minutes for second in seconds)


def _rising(ticks: Iterable[float], after: float) -> Iterator[float]:
    """Those behind `after`, and each only behind the one before."""
    latest = after
    for tick in ticks:
        if tick > latest:
            latest = tick
            yield tick


def _at_times_of_day(fields: tuple[str, ...]) -> bool:
    """True for six fields that name times of the day, not every so many minutes or hours."""
    *_, minute, hour = fields[:-3]
    return len(fields) == _WITH_SECONDS and not (minute.startswith("*") or hour.startswith("*"))


def _fields(expression: str) -> tuple[str, ...]:
    fields = tuple(ALIASES.get(expression.strip().lower(), expression).split())
    if len(fields) not in (_WITH_SECONDS - 1, _WITH_SECONDS):
        raise ValueError(f"{expression!a} is no cron expression: {_SHAPE}")
    return fields


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!a}: write it as Europe/Berlin") from error
