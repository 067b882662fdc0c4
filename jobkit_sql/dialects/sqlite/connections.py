"""One process's connections to a SQLite file."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from jobkit.errors import AdapterError
from jobkit_sql.dialect import Lent
from jobkit_sql.dialects.sqlite.acking import NotAllHeldError, acked
from jobkit_sql.dialects.sqlite.faults import MovedError, code_of, explained, not_opened
from jobkit_sql.dialects.sqlite.gate import Gate
from jobkit_sql.dialects.sqlite.patience import BUSY_TIMEOUT, execute_patiently, patiently
from jobkit_sql.dialects.sqlite.turns import turn_of
from jobkit_sql.dialects.sqlite.watch import Watch
from jobkit_sql.naming import Naming

__all__ = ["Connections"]

_logger = logging.getLogger("jobkit.sqlite")


class Connections:
    """The `Database` of a file. Transactions are ours: the driver begins none."""

    def __init__(self, url: URL, file: Path, naming: Naming) -> None:
        self._file = file
        self._path = str(file)
        self._opened: tuple[int, int] | None = None
        """The file's identity when it was found to be ready; None also where nothing is open."""
        self._readers = _engine(url, file, timeout=BUSY_TIMEOUT)
        # Waiting for a lock is ours too, see `execute_patiently`.
        self._writers = _engine(url, file, timeout=0.0)
        naming.rule(self._readers)
        naming.rule(self._writers)
        self._kept: list[sqlite3.Connection] = []
        """For single inserts: to have it from a pool and give it back costs as much as those."""
        self._gate = Gate(self.close)
        self._watch = Watch(self._readers, self._gate)
        self._turn = turn_of(file)
        self._writer: tuple[int, Connection] | None = None
        """The thread whose turn it is, and what it writes with."""
        self._later: deque[Callable[[], object]] = deque()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        with self._gate, self._readers.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        if self._writer is not None and self._interrupted():
            raise AdapterError(f"this thread is in the middle of writing to {self._file}")
        try:
            with self._turn.held(), self._gate, self._writers.connect() as connection:
                outer, self._writer = self._writer, (threading.get_ident(), connection)
                try:
                    execute_patiently(connection, "BEGIN IMMEDIATE")
                    yield connection
                    self._look()
                    connection.commit()
                finally:
                    self._writer = outer
        except OperationalError as error:
            if code_of(error).startswith("SQLITE_READONLY"):
                self.close()  # what was opened to be read stays so, whatever its file allows later
            raise
        finally:
            if self._later:
                self._catch_up()

    def single(self) -> AbstractContextManager[Connection]:
        return self.writing()

    def insert_one(self, statement: str, values: Sequence[Any]) -> bool:
        if self._writer is not None and self._interrupted():
            return False
        try:  # as `Turn.held` does, which takes a generator
            self._turn.take()
            if self.is_another():
                return False
            with self._gate:
                self._insert_one(statement, values)
        except sqlite3.Error:  # mostly another process that writes: it is waited for elsewhere
            return False
        finally:
            self._turn.end()
        return True

    def _insert_one(self, statement: str, values: Sequence[Any]) -> None:
        kept = self._kept
        connection = kept.pop() if kept else _driver(self._writers)
        try:
            connection.execute(statement, values)
        finally:
            if kept is self._kept:
                kept.append(connection)
            else:
                connection.close()

    def lend(
        self, worker: str, queues: Sequence[str], most: int, now: float, token: str
    ) -> Sequence[Lent] | None:
        return None  # step by step: whoever writes is alone

    def ack(self, receipts: Sequence[str], today: str) -> set[int] | None:
        try:
            with self.writing() as connection:
                return acked(connection, receipts, today)
        except NotAllHeldError:
            return None

    def put_off(self, act: Callable[[], object]) -> bool:
        if self._writer is None or not self._interrupted():
            return False
        self._later.append(act)
        return True

    def is_there(self) -> bool:
        if self._file.exists():
            return True
        if not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise AdapterError(not_opened(self._file))
        return False

    def is_another(self) -> bool:
        opened = self._opened
        return opened is None or self._identity() != opened

    def begin_anew(self) -> None:
        if self._opened is None:
            return  # all was closed already, and what is open since is as it should be
        _logger.warning("%s was deleted or replaced: it is opened anew", self._file)
        with self._gate:  # a fork in the middle would leave the child a lock of SQLite's
            self.close()

    def note(self) -> None:
        self._opened = self._identity()

    def migrating(self) -> AbstractContextManager[Connection]:
        return self.writing()

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        del queues  # the file tells that it changed, not where
        try:
            self._watch.wait(timeout)
        except sqlite3.Error as error:
            raise AdapterError(explained(error, self._file)) from error

    def take_in(self) -> None:
        """Nothing: nobody says anything."""

    def hang_up(self) -> None:
        """Nothing, as above."""

    def time(self) -> float:
        return time.time()  # the file is on this machine

    def announce(self) -> None:
        """Nothing: who waits looks at the file itself."""

    def close(self) -> None:
        # While nothing holds the file its number may become another one's.
        self._opened = None
        self._watch.close()
        kept, self._kept = self._kept, []
        for each in kept:
            each.close()
        self._readers.dispose()
        self._writers.dispose()

    def _look(self) -> None:
        """Raise MovedError where what was written would be read by nobody."""
        if self._opened is not None and self.is_another():
            raise MovedError

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - at every call: a Path's own takes twice as long
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _interrupted(self) -> bool:
        """True where a signal handler or a finalizer runs in the middle of its thread's writing.

        The file is locked by what is below on the same stack: to wait for it is in vain.
        """
        writer = self._writer
        if writer is None or writer[0] != threading.get_ident() or writer[1].closed:
            return False
        return bool(
            cast("sqlite3.Connection", writer[1].connection.driver_connection).in_transaction
        )

    def _catch_up(self) -> None:
        while self._later:
            try:
                self._later.popleft()()
            except Exception:
                _logger.critical(
                    "what was enqueued in a handler could not be stored", exc_info=True
                )


def _driver(engine: Engine) -> sqlite3.Connection:
    """A connection that belongs to no pool."""
    pooled = engine.raw_connection()
    connection = cast("sqlite3.Connection", pooled.driver_connection)
    pooled.detach()
    return connection


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
        # Whoever opens a file first or closes it last has it alone for that while.
        return patiently(lambda: _opened(*arguments, **options))
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
