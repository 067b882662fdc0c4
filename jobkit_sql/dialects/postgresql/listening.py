"""Waking idle workers: NOTIFY now and then, LISTEN on a connection of its own.

A notification takes a lock of the whole database when its transaction commits, so that at most
one is sent in `WINDOW`. The first job of a burst rings; whoever hears it looks again after the
window, and so meets the last one. Without a connection that listens, or when it died silently,
looking now and then is enough.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

import psycopg
from sqlalchemy import TextClause, text

from jobkit_sql.dialects.postgresql.options import Options
from jobkit_sql.dialects.postgresql.watchdog import cut

__all__ = ["WINDOW", "Bell", "Listener", "channel_of"]

WINDOW: Final = 0.01
"""Seconds in which a process rings once."""

_LOOK_AGAIN: Final = WINDOW * 1.5
_LISTENING: Final = 1.0
_DEAF: Final = 0.1
"""Seconds between two looks: with a connection that listens, and without."""

_RETRY: Final = 1.0
_TURN: Final = 0.5
"""Seconds a thread that was told to end may go on; mostly it is cut off at once."""


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
        self.ring: TextClause = text(
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


class Listener:
    """Hears the bell, in a thread that lives from the first wait to `close`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._changed = threading.Condition()
        self._heard = 0
        self._connected = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection | None = None
        self._seen = threading.local()

    def wait(self, timeout: float) -> None:
        """Return within `timeout` seconds, earlier when the bell may have rung."""
        self._start()
        seen = getattr(self._seen, "heard", None)
        again = getattr(self._seen, "again", False)
        with self._changed:
            longest = _LOOK_AGAIN if again else _LISTENING if self._connected else _DEAF
            rung = self._changed.wait_for(lambda: self._heard != seen, min(timeout, longest))
            self._seen.heard = self._heard
        self._seen.again = rung

    def close(self) -> None:
        """Stop listening; the next wait begins anew."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._ending.set()
            if self._connection is not None:
                cut(self._connection)
        if thread is not None:
            thread.join(_TURN)

    def _start(self) -> None:
        with self._changed:
            if self._thread is None:
                self._ending = ending = threading.Event()
                name = "jobkit-listener"
                self._thread = threading.Thread(
                    target=self._listen, args=(ending,), name=name, daemon=True
                )
                self._thread.start()

    def _listen(self, ending: threading.Event) -> None:
        while not ending.is_set():
            # Whatever is wrong with the server, those who work on it will tell.
            with suppress(psycopg.Error, OSError):
                self._hear(ending)
            self._tell(connected=False)
            ending.wait(_RETRY)

    def _hear(self, ending: threading.Event) -> None:
        with psycopg.connect(_conninfo(self._options), autocommit=True) as connection:
            with self._changed:
                self._connection = connection
            connection.execute(f'LISTEN "{channel_of(self._options)}"'.encode())
            # What came before is not announced again: look once.
            self._tell(connected=True)
            while not ending.is_set():
                for _ in connection.notifies(timeout=_TURN, stop_after=1):
                    self._tell(connected=True)

    def _tell(self, *, connected: bool) -> None:
        with self._changed:
            self._connected = connected
            self._heard += 1
            self._changed.notify_all()


def _conninfo(options: Options) -> str:
    url: Any = options.url.set(drivername="postgresql")
    return str(url.render_as_string(hide_password=False))
