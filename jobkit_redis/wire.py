"""redis-py's connections, as far as they are used here."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from redis.exceptions import ResponseError

__all__ = ["HOLE", "Connection", "Form", "Inbox", "packed", "readable"]

HOLE: Final = object()
"""Stands for the argument of a `Form` that is not known yet."""

_MOST: Final = 65_536


class Connection(Protocol):
    """One connection: bytes out, answers in. Nothing is retried, pooled or sent by itself."""

    def connect(self) -> None:
        """Connect and say hello."""

    def disconnect(self) -> None:
        """Let go; the next command connects anew."""

    def pack_command(self, *parts: Any) -> Sequence[bytes]:
        """The command's bytes."""
        ...

    def send_packed_command(self, command: Sequence[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Send bytes."""

    def send_command(self, *parts: Any, **options: Any) -> None:
        """Send one command."""

    def can_read(self, timeout: float = 0) -> bool:
        """Whether something came within `timeout` seconds."""
        ...

    def read_response(self) -> Any:
        """The next answer; one that is an error is raised."""


def readable(connection: Connection) -> select.poll | None:
    """Tells whether there is something to read; None where that cannot be seen from outside.

    To ask the connection itself takes six calls, before each command.
    """
    plug = getattr(connection, "_sock", None)
    if type(plug) is not socket.socket or not hasattr(select, "poll"):
        return None  # what is encrypted may have been read already
    poll = select.poll()
    poll.register(plug, select.POLLIN)
    return poll


def packed(connection: Connection, commands: Sequence[Sequence[Any]]) -> Sequence[bytes]:
    """The commands' bytes: by hiredis, where its own way past every argument is not Python's.

    Each of the parts is a system call of its own to send.
    """
    if _pack is None:
        return [part for command in commands for part in connection.pack_command(*command)]
    return (b"".join(map(_pack, map(tuple, commands))),)


class Form:
    """Commands that are the same each time but for one argument, as they go over the wire.

    To pack them anew takes longer than all else that the client does to send a job.
    """

    __slots__ = ("_head", "_tail")

    def __init__(self, *commands: Sequence[Any]) -> None:
        """One of the arguments of one of them is the `HOLE`."""
        pieces: list[Any] = []
        for command in commands:
            pieces += (b"*%d\r\n" % len(command), *map(_written, command))
        at = pieces.index(HOLE)
        self._head = b"".join(pieces[:at])
        self._tail = b"".join([b"\r\n", *pieces[at + 1 :]])

    def filled(self, argument: bytes) -> bytes:
        """The commands with that argument."""
        return b"%b$%d\r\n%b%b" % (self._head, len(argument), argument, self._tail)


class Inbox:
    """What a connection is told without asking, read past redis-py.

    Its own way takes seven calls and four system calls for each message, of which somebody waits.
    """

    def __init__(self, plug: socket.socket, poll: select.poll, reader: Any) -> None:
        self._plug = plug
        self._poll = poll
        self._reader = reader

    @classmethod
    def of(cls, connection: Connection) -> Inbox | None:
        """Where that is possible; nothing may have been read of what is meant for it."""
        poll = readable(connection)
        if poll is None or _new_reader is None:
            return None
        return cls(connection._sock, poll, _new_reader())  # type: ignore[attr-defined]

    def next(self, timeout: float) -> Any:
        """The next message; None if it has not come whole within `timeout` seconds.

        Raises OSError when the connection is over, ResponseError for an error.
        """
        message = self._reader.gets()
        if message is False:
            if not self._poll.poll(timeout * 1_000):
                return None
            data = self._plug.recv(_MOST)
            if not data:
                raise OSError("the server closed the connection")
            self._reader.feed(data)
            message = self._reader.gets()
        if isinstance(message, Exception):
            raise ResponseError(str(message))
        return None if message is False else message


def _written(argument: Any) -> Any:
    if argument is HOLE:
        return HOLE
    text = argument if isinstance(argument, bytes) else str(argument).encode()
    return b"$%d\r\n%b\r\n" % (len(text), text)


_pack: Callable[[tuple[Any, ...]], bytes] | None = None
_new_reader: Callable[[], Any] | None = None
with suppress(ImportError):
    import hiredis

    _pack, _new_reader = hiredis.pack_command, hiredis.Reader
