"""Waking idle workers: NOTIFY now and then, LISTEN on a connection of its own.

A notification takes a lock of the whole database when its transaction commits, so that at most
one is sent in `WINDOW`. The first job of a burst rings; whoever hears it looks again after the
window, and so meets the last one. Without a connection that listens, or when it died silently,
looking now and then is enough.
"""

from __future__ import annotations

import select
import threading
import time
from hashlib import sha256
from typing import Any, Final

import psycopg

from jobkit.hearing import Ear
from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.dialects.postgresql.session import statement_of
from jobkit_sql.dialects.postgresql.watchdog import cut

__all__ = ["WINDOW", "Bell", "Listener", "channel_of"]

WINDOW: Final = 0.01
"""Seconds in which a process rings once."""

_LOOK_AGAIN: Final = WINDOW * 1.5
_LISTENING: Final = 1.0
_DEAF: Final = 0.1
"""Seconds between two looks: with a connection that listens, and without."""

_RETRY: Final = 1.0

_LONGEST: Final = 63
"""Bytes of a channel's name. Of a longer one LISTEN takes the beginning, and NOTIFY nothing."""


def channel_of(options: Options) -> str:
    """One for each set of tables, since notifications know databases only."""
    parts = ["jobkit"] if options.schema is None else ["jobkit", options.schema]
    name = "_".join(parts)
    if not options.naming.is_usual:
        name = f"{name}.{options.naming.prefix}"
    if len(name) <= _LONGEST:
        return name
    return f"jobkit_{sha256(name.encode()).hexdigest()[:40]}"


class Bell:
    """Tells when it is time to ring."""

    def __init__(self, options: Options) -> None:
        self.ring = statement_of(
            # Nothing to keep: its transaction need not wait for the disk.
            "SELECT set_config('synchronous_commit', 'off', true),"
            f" pg_notify('{channel_of(options)}', '')"
        )
        self._rung_at = 0.0

    def is_due(self) -> bool:
        """True if nobody of this process rang within the window; then the caller does."""
        # Two threads at once may both ring, which harms nobody and needs no lock.
        now = time.monotonic()
        if now - self._rung_at < WINDOW:
            return False
        self._rung_at = now
        return True


class Listener(Ear[psycopg.Connection]):
    """Hears the bell, from the first wait to `close`."""

    name = "jobkit-listener"
    soonest = latest = _RETRY
    failures = (psycopg.Error, OSError)

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._options = options
        self._heard = 0
        self._seen = threading.local()

    def wait(self, timeout: float) -> None:
        """Return within `timeout` seconds, earlier when the bell may have rung."""
        seen = getattr(self._seen, "heard", None)
        again = getattr(self._seen, "again", False)
        longest = _LOOK_AGAIN if again else _DEAF if self._line is None else _LISTENING
        rung = self.until(lambda: self._heard != seen, min(timeout, longest))
        self._seen.heard = self._heard
        self._seen.again = rung

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(_conninfo(self._options), autocommit=True)
        connection.execute(f'LISTEN "{channel_of(self._options)}"'.encode())
        return connection

    def _hear(self, line: psycopg.Connection, timeout: float) -> bool:
        # Past the driver, which takes ten times as long for it.
        told = line.pgconn.notifies()
        if told is None and _is_readable(line, timeout):
            line.pgconn.consume_input()
            told = line.pgconn.notifies()
        if told is None:
            return False
        self._note(None)
        return True

    def _note(self, word: bytes | None) -> None:
        with self._changed:
            self._heard += 1

    def _cut(self, line: psycopg.Connection) -> None:
        cut(line)

    def _end(self, line: psycopg.Connection) -> None:
        line.close()


def _is_readable(connection: psycopg.Connection, timeout: float) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(timeout * 1_000))


def _conninfo(options: Options) -> str:
    url: Any = options.url.set(drivername="postgresql")
    return str(url.render_as_string(hide_password=False))
