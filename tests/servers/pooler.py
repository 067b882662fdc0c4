"""A pooler before a PostgreSQL server that hands out its sessions by the transaction.

    with pooler(server.port) as port:
        connect(port)

Each client has some sessions at the server, and each of its transactions the next of them.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import cycle

__all__ = ["pooler"]

_SESSIONS = 3
_REQUESTS = (80877103, 80877104)
"""For encryption, by TLS and by GSSAPI."""


@contextmanager
def pooler(port: int, *, shows_keys: bool = False) -> Generator[int]:
    """Its port. `shows_keys`: it passes on which process the client's first session has.

    Real ones tell a key of their own, as the process is another one by the next transaction.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(
                        target=_serve, args=(client, port, shows_keys), daemon=True
                    ).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve(client: socket.socket, port: int, shows_keys: bool) -> None:
    servers = [socket.create_connection(("127.0.0.1", port)) for _ in range(_SESSIONS)]
    with suppress(OSError, EOFError), client:
        start = _start(client)
        for nth, server in enumerate(servers):
            server.sendall(start)
            greeting, _ = _answer(server, keys=shows_keys)
            if nth == 0:
                client.sendall(greeting)
        for server in cycle(servers):
            status = b"T"
            while status != b"I":
                server.sendall(_question(client))
                answer, status = _answer(server, keys=True)
                client.sendall(answer)
    for server in servers:
        server.close()


def _start(client: socket.socket) -> bytes:
    while True:
        size = _exactly(client, 4)
        rest = _exactly(client, struct.unpack(">i", size)[0] - 4)
        if struct.unpack(">i", rest[:4])[0] not in _REQUESTS:
            return size + rest
        client.sendall(b"N")


def _question(client: socket.socket) -> bytes:
    """All messages up to the one that is to be answered."""
    said = b""
    while True:
        kind, message = _message(client)
        said += message
        if kind in b"SQ":
            return said


def _answer(server: socket.socket, *, keys: bool) -> tuple[bytes, bytes]:
    """All messages of an answer, and whether a transaction goes on behind it."""
    said = b""
    while True:
        kind, message = _message(server)
        if kind == b"K" and not keys:
            message = message[:5] + struct.pack(">i", 1) + message[9:]
        said += message
        if kind == b"Z":
            return said, message[-1:]


def _message(line: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(line, 5)
    return head[:1], head + _exactly(line, struct.unpack(">i", head[1:])[0] - 4)


def _exactly(line: socket.socket, number: int) -> bytes:
    data = b""
    while len(data) < number:
        more = line.recv(number - len(data))
        if not more:
            raise EOFError
        data += more
    return data
