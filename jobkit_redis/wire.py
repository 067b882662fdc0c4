"""redis-py's connections, as far as they are used here."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

__all__ = ["Connection", "packed", "readable"]


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


_pack: Callable[[tuple[Any, ...]], bytes] | None = None
with suppress(ImportError):
    from hiredis import pack_command as _pack
