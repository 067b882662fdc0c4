"""Noticing that somebody wrote to a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Final, cast

from sqlalchemy import Engine

from jobkit_sql.dialects.sqlite.gate import Gate

__all__ = ["Watch"]

_SHORTEST: Final = 0.005
_LONGEST: Final = 0.03
_RATIO: Final = 220
"""Seconds between two looks: so many times what a look costs, within these bounds.

By this waiting takes half a per cent of a core, which leaves as much to all else that an idle
worker does.
"""


class Watch:
    """Waits for commits of any other connection, in this process or another one."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate
        self._lock = threading.Lock()
        # A connection that only watches: SQLite's data_version leaves out a connection's own
        # writes, and its numbers can be compared on one connection only.
        self._connection: sqlite3.Connection | None = None
        self._opened = 0
        self._seen = threading.local()

    def wait(self, timeout: float) -> None:
        """Return within `timeout` seconds, at once if there was a commit since the last wait."""
        # Real time, not the adapter's clock: this sleeps.
        deadline = time.monotonic() + timeout
        seen: tuple[int, int] | None = getattr(self._seen, "version", None)
        began, looks = time.thread_time(), 1
        while (version := self._version()) == seen and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _pause((time.thread_time() - began) / looks)))
            looks += 1
        self._seen.version = version

    def close(self) -> None:
        """Close the connection; the next wait opens another one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _version(self) -> tuple[int, int]:
        with self._gate, self._lock:
            connection = self._connection or self._open()
            # All rows: a statement that is not read to its end keeps its snapshot, and its version.
            [(version,)] = connection.execute("PRAGMA data_version").fetchall()
            return self._opened, version

    def _open(self) -> sqlite3.Connection:
        # Not of the pool any more: what it costs to ask through a pool is half of each look.
        pooled = self._engine.raw_connection()
        self._connection = cast("sqlite3.Connection", pooled.driver_connection)
        pooled.detach()
        self._opened += 1
        return self._connection


def _pause(cost: float) -> float:
    # Most of the cost is the timer's, and on some virtual machines it is several times as much.
    return min(max(_SHORTEST, _RATIO * cost), _LONGEST)
