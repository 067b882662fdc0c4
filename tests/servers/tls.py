"""A server's door with TLS: private servers have none of their own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Door", "certificate", "opened"]

_CHUNK: Final = 65_536


def certificate(folder: Path) -> Path:
    """A file with a key and its certificate, for the loopback, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "server.pem"
    file.write_bytes(text + made.public_bytes(serialization.Encoding.PEM))
    return file


class Door:
    """Whoever comes in on `port` with TLS is led to the socket at `path`."""

    port = 0

    def __init__(self, path: str, pem: Path) -> None:
        self._path = path
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._inside: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._is_open = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stand()), daemon=True)

    def open(self) -> None:
        """Stand open, in a thread of its own."""
        self._thread.start()
        assert self._is_open.wait(30)

    def slam(self) -> None:
        """Cut the connections of all who are inside."""
        asyncio.run_coroutine_threadsafe(self._put_out(), self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(30)

    async def _stand(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._come, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._is_open.set()
        await self._ending.wait()
        server.close()
        await self._put_out()
        ways = [way for way in self._inside.values() if way is not None]
        await asyncio.gather(*ways, return_exceptions=True)

    async def _put_out(self) -> None:
        for writer in self._inside:
            writer.transport.abort()

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._inside[writer] = asyncio.current_task()
        theirs, to_them = await asyncio.open_unix_connection(self._path)
        try:
            await asyncio.gather(_lead(reader, to_them), _lead(theirs, writer))
        finally:
            to_them.transport.abort()
            await asyncio.sleep(0)  # which closes it
            self._inside.pop(writer)


async def _lead(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while piece := await source.read(_CHUNK):
            sink.write(piece)
            await sink.drain()
    sink.close()


@contextmanager
def opened(path: str, pem: Path) -> Generator[Door]:
    """A door to the socket."""
    door = Door(path, pem)
    door.open()
    try:
        yield door
    finally:
        door.close()
