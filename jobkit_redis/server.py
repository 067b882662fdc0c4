"""The primary server: found, connected to, asked; and found anew when it has become another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from redis import exceptions
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from jobkit_redis.errors import Refused, Unanswered
from jobkit_redis.scripts import Script
from jobkit_redis.url import Address, Location
from jobkit_redis.wire import Connection, packed, readable

__all__ = ["Command", "Pool", "Server", "called"]

Command: TypeAlias = Sequence[Any]

_NETWORK: Final = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)
#: Answers that prove that nothing was done, and that another server may do it, or this one soon.
_NOT_NOW: Final = ("READONLY", "NOREPLICAS", "UNBLOCKED")
_NOT_NOW_CLASSES: Final = (ReadOnlyError, BusyLoadingError, MovedError, ClusterDownError)
_MOST_IDLE: Final = 32


class Server:
    """Whoever is the primary now. A plain URL in a cluster is followed to the node that has us."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._primary: Address | None = None

    def connect(self) -> Connection:
        """A connection to the primary. Raises Refused: nothing has been sent."""
        problems: list[str] = []
        for address in self._candidates(problems):
            connection = self._location.connection(address)
            try:
                connection.connect()
            except (RedisError, OSError) as error:
                connection.disconnect()
                problems.append(str(error))
                self._primary = None
            else:
                self._primary = address
                return connection
        raise Refused(f"the server cannot be reached: {'; '.join(dict.fromkeys(problems))}")

    def forget(self, moved_to: Address | None = None) -> None:
        """The primary is another one: that, or to be looked for."""
        self._primary = moved_to

    def _candidates(self, problems: list[str]) -> list[Address | None]:
        if not self._location.nodes:
            return [None]
        known = [] if self._primary is None else [self._primary]
        if self._location.service is None:
            return [*known, *(node for node in self._location.nodes if node not in known)]
        return [*known, *self._told_by_sentinels(problems)]

    def _told_by_sentinels(self, problems: list[str]) -> list[Address]:
        for node in self._location.nodes:
            connection = self._sentinel(node)
            try:
                connection.connect()
                connection.send_command(
                    "SENTINEL", "get-master-addr-by-name", self._location.service
                )
                told = connection.read_response()
            except (RedisError, OSError) as error:
                problems.append(str(error))
            else:
                if told:
                    return [(told[0].decode(), int(told[1]))]
                problems.append(f"the Sentinel knows no service {self._location.service}")
            finally:
                connection.disconnect()
        return []

    def _sentinel(self, node: Address) -> Connection:
        return replace(self._location, options=self._location.sentinel_options or {}).connection(
            node
        )


class Pool:
    """Connections to one server, as many as threads use them at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[_Line] = []

    def run(
        self,
        script: Script,
        keys: Sequence[Any],
        args: Sequence[Any],
        *more: Command,
        before: Command | None = None,
        written: bytes | None = None,
    ) -> Any:
        """The script's answer; with `more` commands behind it, the answers of all.

        The server learns a script when it asks for it. What it says to the command `before` counts
        for nothing. `written`: `before` and the call as they go over the wire, if that is known.
        """
        call = called(script, keys, args)
        first = () if before is None else (before,)
        replies = self._ask_again((*first, call, *more), len(first), written)[len(first) :]
        if isinstance(replies[0], NoScriptError):
            _, *replies = self._ask_again((("SCRIPT", "LOAD", script.source), call, *more), 1)
        _raise_first(replies)
        return replies if more else replies[0]

    def ask(self, *commands: Command) -> list[Any]:
        """The answers to commands that are sent in one go. Raises Refused or Unanswered."""
        replies = self._ask_again(commands)
        _raise_first(replies)
        return replies

    def tell(self, *commands: Command, decisive: int, written: bytes | None = None) -> list[Any]:
        """The answers to commands that are sent in one go; those that are errors as values.

        Raises Refused when the decisive one was refused, or Unanswered. `written`: the commands as
        they go over the wire, if that is known.
        """
        replies = self._ask_again(commands, decisive, written)
        _raise_first(replies[decisive : decisive + 1])
        return replies

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back to a full pool."""
        while self._idle:
            self._idle.pop().connection.disconnect()

    def _ask_again(
        self, commands: Sequence[Command], decisive: int = 0, written: bytes | None = None
    ) -> list[Any]:
        """Once more, elsewhere perhaps, if the decisive answer proves that nothing was done."""
        replies = self._ask(commands, decisive, written)
        answer = replies[decisive]
        if not _not_now(answer):
            return replies
        self.close()
        moved = answer if isinstance(answer, MovedError) else None
        self._server.forget((moved.host, moved.port) if moved and moved.host else None)
        return self._ask(commands, decisive)

    def _ask(
        self, commands: Sequence[Command], decisive: int = 0, written: bytes | None = None
    ) -> list[Any]:
        line = self._take()
        connection = line.connection
        try:
            data = packed(connection, commands) if written is None else (written,)
            connection.send_packed_command(data, check_health=False)
            replies = [_reply(connection) for _ in commands]
        except _NETWORK as error:
            connection.disconnect()
            raise Unanswered(f"the server did not answer: {error}") from error
        except BaseException:
            # A time limit struck in here, or the answer made no sense: it would be read as the
            # answer to the next command.
            connection.disconnect()
            raise
        if _not_now(replies[decisive]):
            connection.disconnect()
        else:
            self._give(line)
        return replies

    def _take(self) -> _Line:
        while self._idle:
            try:
                line = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if line.is_usable():
                return line
            line.connection.disconnect()
        return _Line(self._server.connect())

    def _give(self, line: _Line) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(line)
        else:
            line.connection.disconnect()


def called(script: Script, keys: Sequence[Any], args: Sequence[Any]) -> Command:
    """The command that calls the script, which the server may not know yet."""
    return ("EVALSHA", script.digest, len(keys), *keys, *args)


class _Line:
    """A connection, and how to see whether it can be used."""

    __slots__ = ("_poll", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._poll = readable(connection)

    def is_usable(self) -> bool:
        """Whether the server has not closed it meanwhile, nor said anything unasked."""
        if self._poll is not None:
            return not self._poll.poll(0)
        try:
            return not self.connection.can_read(timeout=0)
        except _NETWORK:
            return False


def _reply(connection: Connection) -> Any:
    try:
        return connection.read_response()
    except (ResponseError, BusyLoadingError) as error:
        return error


def _not_now(reply: Any) -> bool:
    if not isinstance(reply, Exception):
        return False
    if isinstance(reply, _NOT_NOW_CLASSES):
        return True
    # Redis 6 wraps what a command within a script says.
    return isinstance(reply, ResponseError) and any(code in str(reply) for code in _NOT_NOW)


def _raise_first(replies: Sequence[Any]) -> None:
    for reply in replies:
        if isinstance(reply, RedisError):
            raise Refused(f"the server refuses: {reply}") from reply
