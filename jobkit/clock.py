"""Wall time and monotonic time, passed in wherever the runtime needs them."""

from __future__ import annotations

import time as _time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

__all__ = ["SYSTEM", "Clock", "as_datetime", "as_seconds"]


class Clock(Protocol):
    """Two times that must not be mixed: one is stored and compared, one measures how long."""

    def time(self) -> float:
        """Seconds since the epoch (UTC); may step."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back, means nothing on another machine."""
        ...


class SystemClock:
    """The machine's own clocks."""

    time = staticmethod(_time.time)
    monotonic = staticmethod(_time.monotonic)


SYSTEM: Final[Clock] = SystemClock()


def as_seconds(duration: float | timedelta) -> float:
    """The duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def as_datetime(epoch: float) -> datetime:
    """The moment as an aware UTC datetime."""
    return datetime.fromtimestamp(epoch, UTC)
