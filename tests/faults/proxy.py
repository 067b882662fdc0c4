"""A network to break: a proxy between a store and whoever uses it.

    with Proxy(("127.0.0.1", 6379)) as proxy:
        connect(proxy.address)
        proxy.drop_next_reply(b"EVALSHA").wait(5)

Sockets of the internet are addressed as (host, port), those of the file system by their path.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Self, TypeVar

__all__ = ["Address", "Dropped", "Mode", "Proxy"]

Address = tuple[str, int] | str
T = TypeVar("T")

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: unsent bytes are dropped and the peer gets a reset, as from a machine that died."""


class Mode(Enum):
    """What happens to bytes and to new connections."""

    PASS = auto()
    BLACK_HOLE = auto()
    """Connections are accepted, bytes are swallowed, nobody gets an error."""
    REFUSE = auto()
    """New connections are reset at once."""


class Dropped(threading.Event):
    """Set when the reply has been swallowed and its connection cut."""

    def __init__(self, request: bytes) -> None:
        super().__init__()
        self.request = request


@dataclass(eq=False)
class _Link:
    """One client's connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    swallowed: bool = False
    tail: bytes = b""
    dropping: Dropped | None = None
    pumps: list[asyncio.Task[None]] = field(default_factory=list)

    def reset(self) -> None:
        """Break both ends off."""
        for writer in (self.client, self.server):
            if writer is not None:
                _reset(writer)
        for pump in self.pumps:
            pump.cancel()


class Proxy:
    """Listens on a free port of the loopback interface, or on `listen`; lives on its own thread.

    Every method has taken effect when it returns. Connections that lost bytes in a black hole are
    reset when it is healed: no network delivers a stream with a gap.
    """

    def __init__(self, upstream: Address, *, listen: Address = ("127.0.0.1", 0)) -> None:
        self._upstream = upstream
        self._mode = Mode.PASS
        self._delay = 0.0
        self._armed: Dropped | None = None
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(listen), self._loop).result()
        self.address: Address = self._server.sockets[0].getsockname()[:2]
        if isinstance(listen, str):
            self.address = listen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self._call(lambda: len(self._links))

    def heal(self) -> None:
        """Pass everything again, at once."""
        self._call(self._heal)

    def cut(self) -> None:
        """Reset every connection; new ones are welcome."""
        self._call(self._cut)

    def refuse(self) -> None:
        """Reset every connection and each new one, as if the store were gone, until healed."""
        self._call(lambda: self._enter(Mode.REFUSE))
        self.cut()

    def black_hole(self) -> None:
        """Swallow all bytes, of connections old and new, without a word, until healed."""
        self._call(lambda: self._enter(Mode.BLACK_HOLE))

    def delay(self, seconds: float) -> None:
        """Hold every request back so long before it goes on, until healed."""
        self._call(lambda: setattr(self, "_delay", seconds))

    def drop_next_reply(self, request: bytes = b"") -> Dropped:
        """Pass the next request that contains these bytes on, swallow its reply, and reset.

        So the store did what it was asked, and who asked cannot know.
        """
        dropped = Dropped(request)
        self._call(lambda: setattr(self, "_armed", dropped))
        return dropped

    def close(self) -> None:
        """Reset every connection and listen no more."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Everything below runs on the proxy's own thread.

    def _call(self, function: Callable[[], T]) -> T:
        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()

    async def _listen(self, address: Address) -> asyncio.Server:
        if isinstance(address, str):
            return await asyncio.start_unix_server(self._serve, address)
        return await asyncio.start_server(self._serve, *address)

    async def _end(self) -> None:
        self._server.close()
        pumps = [pump for link in self._links for pump in link.pumps]
        self._cut()
        await asyncio.gather(*pumps, return_exceptions=True)
        await asyncio.sleep(0)  # for the connections' own tasks to see that their pumps are gone

    def _enter(self, mode: Mode) -> None:
        self._mode = mode

    def _heal(self) -> None:
        self._mode, self._delay, self._armed = Mode.PASS, 0.0, None
        for link in tuple(self._links):
            if link.swallowed:
                link.reset()

    def _cut(self) -> None:
        for link in tuple(self._links):
            link.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        if self._mode is Mode.REFUSE:
            link.reset()
            return
        self._links.add(link)
        try:
            await self._connect_and_pump(link, reader)
        except OSError:
            pass  # the store is away: the client sees its connection go
        finally:
            self._links.discard(link)
            link.reset()

    async def _connect_and_pump(self, link: _Link, client: asyncio.StreamReader) -> None:
        if self._mode is Mode.BLACK_HOLE:
            link.swallowed = True
            link.pumps = [asyncio.create_task(_drain(client))]
        else:
            server, link.server = await self._open()
            link.pumps = [
                asyncio.create_task(self._forward_requests(link, client, link.server)),
                asyncio.create_task(self._forward_replies(link, server)),
            ]
        await asyncio.wait(link.pumps, return_when=asyncio.FIRST_COMPLETED)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, str):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection(*self._upstream)

    async def _forward_requests(
        self, link: _Link, client: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await client.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                if self._mode is Mode.BLACK_HOLE:
                    link.swallowed = True
                    continue
                self._note_request(link, chunk)
                server.write(chunk)
                await server.drain()

    def _note_request(self, link: _Link, chunk: bytes) -> None:
        armed = self._armed
        if armed is None or link.dropping is not None:
            return
        seen = link.tail + chunk
        # What is looked for may lie across two chunks.
        link.tail = seen[-len(armed.request) :] if armed.request else b""
        if armed.request in seen:
            link.dropping, self._armed = armed, None

    async def _forward_replies(self, link: _Link, server: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while chunk := await server.read(_CHUNK):
                if link.dropping is not None:
                    _reset(link.client)
                    link.dropping.set()
                    return
                if self._mode is Mode.BLACK_HOLE:
                    link.swallowed = True
                    continue
                link.client.write(chunk)
                await link.client.drain()


async def _drain(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(_CHUNK):
            pass


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0 and found.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
