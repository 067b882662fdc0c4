"""One process's connections to a PostgreSQL database."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, text

from jobkit_sql.dialects.postgresql.listening import Bell, Listener
from jobkit_sql.dialects.postgresql.options import Options

__all__ = ["Connections"]

_WAIT_FOR_ONE: Final = 5.0
"""Seconds a thread waits for a connection of the pool."""

_OVERFLOW: Final = 20
"""Connections beyond those that are kept; the application's threads enqueue when they like."""

_CLOCK_HOLDS: Final = 5.0
"""Seconds for which the server's time is counted on from here before it is asked again."""

_NOW: Final = text("SELECT extract(epoch FROM clock_timestamp())::double precision")


class Connections:
    """The `Database` of a server: a pool of our own, and one connection more that listens."""

    def __init__(self, options: Options) -> None:
        self._engine = _engine(options)
        self._plain = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._listener = Listener(options)
        self._bell = Bell(options)
        self._clock = threading.Lock()
        self._offset = 0.0
        self._asked_at: float | None = None

    @contextmanager
    def reading(self) -> Generator[Connection]:
        with self._plain.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def time(self) -> float:
        """The server's time, by this machine's steady clock since it was last asked."""
        with self._clock:
            now = time.monotonic()
            if self._asked_at is None or now - self._asked_at > _CLOCK_HOLDS:
                self._offset = self._server_time() - time.monotonic()
                self._asked_at = now
            return self._offset + time.monotonic()

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        del queues  # whoever hears the bell looks for himself
        self._listener.wait(timeout)

    def announce(self) -> None:
        if self._bell.is_due():
            with self.reading() as connection:
                connection.execute(self._bell.ring)

    def close(self) -> None:
        self._listener.close()
        self._engine.dispose()

    def _server_time(self) -> float:
        with self.reading() as connection:
            return float(connection.scalar(_NOW) or 0.0)


def _engine(options: Options) -> Engine:
    # No session state: a pooler between us and the server may give each transaction another one.
    driver: dict[str, Any] = {} if options.prepare else {"prepare_threshold": None}
    engine = create_engine(
        options.url,
        connect_args=driver,
        pool_size=options.pool_size,
        max_overflow=_OVERFLOW,
        pool_timeout=_WAIT_FOR_ONE,
        pool_use_lifo=True,  # those that are not needed fall asleep, and are recycled
        hide_parameters=True,  # errors are logged, arguments of jobs are not
    )
    if options.schema is None:
        return engine
    return engine.execution_options(schema_translate_map={None: options.schema})
