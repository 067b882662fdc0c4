"""Statements by libpq alone, prepared where the session at the server is ours."""

from __future__ import annotations

import select
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Final

import psycopg
from psycopg import errors, pq

__all__ = ["Session", "Statement", "answers", "array", "statement_of"]

_GLANCE: Final = 100
"""Milliseconds between looks whether a signal, or a time limit, ends the wait for an answer."""

_DONE: Final = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)

_THERE: Final = b"42P05"
_NOT_THERE: Final = frozenset({b"26000", b"0A000"})
"""No such statement: the session is another one; or its tables are others since."""

_WHOSE: Final = b"SELECT pg_backend_pid()"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with parameters `$1`, `$2` and so on, under a name that no other has.

    Whatever session it is executed in, what has this name there is this statement.
    """

    text: bytes
    name: bytes


@cache
def statement_of(text: str, purpose: str = "") -> Statement:
    """The statement, with the name that its text gives it, behind what it is for."""
    source = text.encode()
    return Statement(source, f"jobkit_{purpose}_{sha256(source).hexdigest()[:24]}".encode())


class Session:
    """A driver's connection, outside of any transaction: each statement is one.

    What stands above the server's protocol takes ten times as long as all else that the client
    does for a single statement, above all when nothing of it is in the processor's caches. A
    statement is prepared once for each connection, since to plan it takes the server half its time.

    A pooler that hands out connections by the transaction would break that, so that it is done
    where the server's process is the one that it told when it was connected to, which no pooler
    does. What is not there all the same is executed as it is, and not prepared again.
    """

    __slots__ = ("_answers", "_encoding", "_insists", "_known", "_prepares", "connection")

    def __init__(self, connection: psycopg.Connection, *, prepare: bool | None) -> None:
        """`prepare` None: only where that is seen to be safe."""
        self.connection = connection
        self._answers = answers(connection.pgconn)
        encoding = connection.info.encoding
        self._encoding = "utf-8" if encoding == "ascii" else encoding
        self._prepares = prepare
        self._insists = prepare is True
        self._known: set[bytes] = set()

    def lives(self) -> bool:
        """Whether it can be used still, as far as can be seen from here: see `pool`."""
        return self.connection.pgconn.status == pq.ConnStatus.OK and not self._answers.poll(0)

    def is_idle(self) -> bool:
        """True unless it is in the middle of an answer or of a transaction, or has ended."""
        return self.connection.pgconn.transaction_status == pq.TransactionStatus.IDLE

    def execute(self, statement: Statement, values: Sequence[object]) -> pq.abc.PGresult:
        """Execute with text, numbers and None, in a transaction of its own.

        Raises the driver's errors; DataError for text that the server cannot keep.
        """
        encoded = [self._encoded(value) for value in values]
        pgconn = self.connection.pgconn
        if self._prepares is None:
            self._prepares = self._is_ours()
        if self._prepares:
            self._prepare(statement)
            pgconn.send_query_prepared(statement.name, encoded)
            result = self._answer()
            if result.error_field(pq.DiagnosticField.SQLSTATE) not in _NOT_THERE:
                return self._checked(result)
            self._known.clear()
            self._prepares = self._insists
        pgconn.send_query_params(statement.text, encoded)
        return self._checked(self._answer())

    def rows(self, statement: Statement, values: Sequence[object]) -> list[tuple[str | None, ...]]:
        """Execute, and return the rows as text."""
        result, encoding = self.execute(statement, values), self._encoding
        value, columns = result.get_value, range(result.nfields)
        return [
            tuple(
                None if (cell := value(row, column)) is None else cell.decode(encoding)
                for column in columns
            )
            for row in range(result.ntuples)
        ]

    def _is_ours(self) -> bool:
        pgconn = self.connection.pgconn
        pgconn.send_query_params(_WHOSE, None)
        told = self._checked(self._answer()).get_value(0, 0)
        return told == b"%d" % pgconn.backend_pid

    def _prepare(self, statement: Statement) -> None:
        if statement.name in self._known:
            return
        self.connection.pgconn.send_prepare(statement.name, statement.text)
        result = self._answer()
        if result.error_field(pq.DiagnosticField.SQLSTATE) != _THERE:
            self._checked(result)
        self._known.add(statement.name)

    def _encoded(self, value: object) -> bytes | None:
        if value is None:
            return None
        text = value if isinstance(value, str) else repr(value)
        if "\0" in text:  # it would end there
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return text.encode(self._encoding)

    def _answer(self) -> pq.abc.PGresult:
        """The result once the transaction is over: what comes last may be that it failed."""
        if self.connection.pgconn.flush():
            self._send_the_rest()
        found: pq.abc.PGresult | None = None
        while (result := self._next(found)) is not None:
            if found is None or result.status not in _DONE:
                found = result
        if found is None:
            raise psycopg.OperationalError("the server gave no answer")
        return found

    def _next(self, found: pq.abc.PGresult | None) -> pq.abc.PGresult | None:
        """The next result; None when the server has said all, or why it hangs up."""
        pgconn, coming = self.connection.pgconn, self._answers
        try:
            while pgconn.is_busy():
                if coming.poll(_GLANCE):
                    pgconn.consume_input()
        except psycopg.OperationalError:
            if found is None or found.status in _DONE:
                raise
            return None
        return pgconn.get_result()

    def _send_the_rest(self) -> None:
        pgconn, ready = self.connection.pgconn, select.poll()
        ready.register(pgconn.socket, select.POLLIN | select.POLLOUT)
        while pgconn.flush():
            ready.poll(_GLANCE)
            pgconn.consume_input()

    def _checked(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status not in _DONE:
            raise errors.error_from_result(result, self._encoding)
        return result


def array(texts: Sequence[str]) -> str:
    """Texts as the text of an array."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def answers(pgconn: pq.abc.PGconn) -> select.poll:
    """Tells whether there is something to read."""
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    return poll
