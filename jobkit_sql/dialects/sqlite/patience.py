"""Waiting for other processes that write."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from jobkit_sql.dialects.sqlite.faults import code_of

__all__ = ["BUSY_TIMEOUT", "MOMENT", "execute_patiently", "patiently"]

T = TypeVar("T")

BUSY_TIMEOUT: Final = 5.0
"""Seconds a writer waits for its turn among the process's threads, then for other processes."""

MOMENT: Final = 0.1
"""Seconds that count of a wait, at most, before the next look.

Whoever stands still, or gets no processor, did not wait meanwhile, nor did those who stood still
with him write: as SQLite's own, this patience is made of pauses, not of the clock.
"""

_PAUSE: Final = 0.002


def execute_patiently(connection: Connection, statement: str) -> None:
    """Execute it, again and again while another process has the lock.

    SQLite's own waiting sleeps longer each time, up to 100 ms: of four processes that work on one
    file, one did nine tenths and another nothing at all. And some statements it does not wait for.
    """
    patiently(lambda: connection.exec_driver_sql(statement))


def patiently(attempt: Callable[[], T]) -> T:
    """What `attempt` returns; made again and again while another process has the lock."""
    waited = 0.0
    while True:
        began = time.monotonic()
        try:
            return attempt()
        except (OperationalError, sqlite3.OperationalError) as error:
            ended = time.monotonic()
            waited += ended - began  # it may have waited by itself
            if not code_of(error).startswith("SQLITE_BUSY") or waited > BUSY_TIMEOUT:
                raise
        time.sleep(_PAUSE * random.uniform(0.5, 1.5))
        waited += min(time.monotonic() - ended, MOMENT)
