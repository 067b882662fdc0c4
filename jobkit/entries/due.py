"""Which ticks are due, in the light of what was enqueued already."""

from __future__ import annotations

from typing import Final, assert_never

from jobkit.cron import Schedule
from jobkit.entries.entry import CatchUp

__all__ = ["MOST", "ON_TIME", "due"]

ON_TIME: Final = 5.0
"""Seconds within which a tick is simply due: workers look every second, and may be held up."""

MOST: Final = 100
"""Ticks that are made up for at most."""


def due(
    schedule: Schedule, *, last: float, now: float, catch_up: CatchUp, grace: float
) -> list[float]:
    """The ticks in `(last, now]` to be enqueued, in their order; all in seconds of wall time."""
    match catch_up:
        case "all":
            return schedule.between(last, now, limit=MOST)
        case "none" | "last":
            late = ON_TIME if catch_up == "none" else max(grace, ON_TIME)
            ticks = schedule.between(max(last, now - late), now, limit=MOST)
            on_time = [tick for tick in ticks if now - tick <= ON_TIME]
            return on_time or ticks[-1:]
        case _:
            assert_never(catch_up)
