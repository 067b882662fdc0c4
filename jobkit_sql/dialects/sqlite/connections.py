"""One process's connections to a SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event

from jobkit.errors import AdapterError
from jobkit_sql.dialects.sqlite.faults import explained, not_opened
from jobkit_sql.dialects.sqlite.gate import Gate
from jobkit_sql.dialects.sqlite.patience import BUSY_TIMEOUT, execute_patiently
from jobkit_sql.dialects.sqlite.watch import Watch

__all__ = ["Connections"]


class Connections:
    """The `Database` of a file. Transactions are ours: the driver begins none."""

    def __init__(self, url: URL, file: Path) -> None:
        self._file = file
        self._readers = _engine(url, file, timeout=BUSY_TIMEOUT)
        # Waiting for a lock is ours too, see `execute_patiently`.
        self._writers = _engine(url, file, timeout=0.0)
        self._gate = Gate(self.close)
        self._watch = Watch(self._readers, self._gate)
        self._turn = threading.RLock()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        with self._gate, self._readers.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        with self._in_turn(), self._gate, self._writers.connect() as connection:
            execute_patiently(connection, "BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def single(self) -> AbstractContextManager[Connection]:
        return self.writing()

    def is_there(self) -> bool:
        if self._file.exists():
            return True
        if not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise AdapterError(not_opened(self._file))
        return False

    def migrating(self) -> AbstractContextManager[Connection]:
        return self.writing()

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        del queues  # the file tells that it changed, not where
        try:
            self._watch.wait(timeout)
        except sqlite3.Error as error:
            raise AdapterError(explained(error, self._file)) from error

    def time(self) -> float:
        return time.time()  # the file is on this machine

    def announce(self) -> None:
        """Nothing: who waits looks at the file itself."""

    def close(self) -> None:
        self._watch.close()
        self._readers.dispose()
        self._writers.dispose()

    @contextmanager
    def _in_turn(self) -> Generator[None]:
        """One writer of this process after the other: a lock wakes the next, SQLite does not."""
        # A job's time limit may raise in this thread between the acquire and what follows it, so
        # the acquire stands inside the try, and releasing what is not ours is no error.
        try:
            if not self._turn.acquire(timeout=BUSY_TIMEOUT):
                raise AdapterError(
                    f"{self._file} is busy: other threads of this process have been writing for"
                    f" {BUSY_TIMEOUT:g} s"
                )
            yield
        finally:
            with suppress(RuntimeError):
                self._turn.release()


def _engine(url: URL, file: Path, *, timeout: float) -> Engine:
    def connect(_: object, __: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        return _connect(file, *arguments, **options)

    engine = create_engine(
        url,
        connect_args={
            "isolation_level": None,
            "timeout": timeout,
            "check_same_thread": False,
        },
        pool_timeout=BUSY_TIMEOUT,
        hide_parameters=True,  # errors are logged, arguments of jobs are not
    )
    event.listen(engine, "do_connect", connect)
    return engine


def _connect(file: Path, *arguments: Any, **options: Any) -> sqlite3.Connection:
    try:
        return _opened(*arguments, **options)
    except sqlite3.OperationalError as error:
        # WAL needs two files beside the database. Where they cannot be made and no writer has
        # left them either, the file alone is everything, and may be read as it is.
        if error.sqlite_errorname != "SQLITE_READONLY_DIRECTORY" or _log(file).exists():
            raise
        return _opened(f"file:{quote(str(file))}?immutable=1", **{**options, "uri": True})


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _opened(*arguments: Any, **options: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(*arguments, **options)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
