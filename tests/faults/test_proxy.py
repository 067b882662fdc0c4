"""The proxy that breaks networks, before a plain echo server."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.faults.proxy import Address, Proxy


class Echo(socketserver.BaseRequestHandler):
    """Answers each chunk with itself, and remembers it."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := self.request.recv(65_536):
                cast("Heard", self.server).heard.append(chunk)
                self.request.sendall(chunk)


class Heard:
    heard: list[bytes]


class TcpEcho(Heard, socketserver.ThreadingTCPServer):
    daemon_threads = True


class UnixEcho(Heard, socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture(params=["tcp", "unix"])
def echo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TcpEcho | UnixEcho]:
    server: TcpEcho | UnixEcho
    if request.param == "tcp":
        server = TcpEcho(("127.0.0.1", 0), Echo)
    else:
        server = UnixEcho(str(tmp_path / "echo"), Echo)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(echo: TcpEcho | UnixEcho, tmp_path: Path) -> Iterator[Proxy]:
    upstream = cast("Address", echo.server_address)
    listen: Address = str(tmp_path / "proxy") if isinstance(upstream, str) else ("127.0.0.1", 0)
    with Proxy(upstream, listen=listen) as made:
        yield made


def connected(proxy: Proxy, timeout: float = 5.0) -> socket.socket:
    unix = isinstance(proxy.address, str)
    client = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    client.settimeout(timeout)
    try:
        client.connect(proxy.address)
    except OSError:
        client.close()
        raise
    return client


def said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    answer = b""
    while len(answer) < len(text) and (chunk := client.recv(65_536)):
        answer += chunk
    return answer


def is_broken(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def nobody_answers(proxy: Proxy) -> bool:
    try:
        client = connected(proxy)
    except ConnectionError:
        return True  # reset before it was so much as connected
    with client:
        return is_broken(client)


def hears_nothing(client: socket.socket, text: bytes) -> bool:
    client.settimeout(0.2)
    client.sendall(text)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    return False


def test_everything_passes_at_first(proxy: Proxy) -> None:
    with connected(proxy) as one, connected(proxy) as other:
        large = bytes(range(256)) * 4_000
        assert said(one, b"hello") == b"hello"
        assert said(other, large) == large
        assert proxy.connections == 2


def test_a_client_that_leaves_is_forgotten(proxy: Proxy) -> None:
    with connected(proxy) as client:
        said(client, b"hello")
    deadline = time.monotonic() + 5
    while proxy.connections:
        assert time.monotonic() < deadline


def test_a_cut_breaks_every_connection_and_new_ones_pass(proxy: Proxy) -> None:
    with connected(proxy) as one, connected(proxy) as other:
        said(one, b"hello")
        said(other, b"hello")
        proxy.cut()
        assert is_broken(one)
        assert is_broken(other)
    with connected(proxy) as client:
        assert said(client, b"again") == b"again"


def test_who_is_refused_is_broken_until_it_heals(proxy: Proxy) -> None:
    with connected(proxy) as client:
        said(client, b"hello")
        proxy.refuse()
        assert is_broken(client)
    assert nobody_answers(proxy)
    proxy.heal()
    with connected(proxy) as client:
        assert said(client, b"again") == b"again"


def test_a_black_hole_swallows_requests_of_old_and_new_connections(
    proxy: Proxy, echo: TcpEcho | UnixEcho
) -> None:
    with connected(proxy) as old:
        said(old, b"hello")
        proxy.black_hole()
        assert hears_nothing(old, b"lost")
        with connected(proxy) as new:
            assert hears_nothing(new, b"lost too")
    assert echo.heard == [b"hello"]


def test_what_lost_bytes_in_a_black_hole_is_broken_when_it_heals_and_the_rest_goes_on(
    proxy: Proxy,
) -> None:
    with connected(proxy) as hurt, connected(proxy) as silent:
        said(hurt, b"hello")
        said(silent, b"hello")
        proxy.black_hole()
        assert hears_nothing(hurt, b"lost")
        deadline = time.monotonic() + 20
        while not any(link.swallowed for link in tuple(proxy._links)):
            assert time.monotonic() < deadline
        proxy.heal()
        hurt.settimeout(5)
        assert is_broken(hurt)
        assert said(silent, b"again") == b"again"


def test_a_delay_holds_requests_back_and_loses_none(proxy: Proxy) -> None:
    with connected(proxy) as client:
        said(client, b"hello")
        proxy.delay(0.2)
        began = time.monotonic()
        assert said(client, b"slow") == b"slow"
        assert time.monotonic() - began >= 0.2
        proxy.heal()
        assert said(client, b"fast") == b"fast"


def test_a_dropped_reply_was_acted_on_and_never_heard(
    proxy: Proxy, echo: TcpEcho | UnixEcho
) -> None:
    with connected(proxy) as client, connected(proxy) as other:
        said(client, b"hello")
        said(other, b"hello")
        dropped = proxy.drop_next_reply(b"COMMIT")
        assert said(other, b"SELECT") == b"SELECT"
        client.sendall(b"COMMIT;")
        assert is_broken(client)
        assert dropped.wait(5)
        assert said(other, b"COMMIT;") == b"COMMIT;"
    assert echo.heard.count(b"COMMIT;") == 2


def test_the_request_whose_reply_is_dropped_may_come_in_pieces(proxy: Proxy) -> None:
    with connected(proxy) as client:
        said(client, b"hello")
        dropped = proxy.drop_next_reply(b"COMMIT")
        assert said(client, b"COM") == b"COM"
        client.sendall(b"MIT")
        assert dropped.wait(5)
        assert is_broken(client)


def test_without_bytes_to_look_for_the_very_next_reply_is_dropped(proxy: Proxy) -> None:
    with connected(proxy) as client:
        said(client, b"hello")
        dropped = proxy.drop_next_reply()
        client.sendall(b"any")
        assert dropped.wait(5)
        assert is_broken(client)


def test_a_store_that_is_away_is_a_broken_connection(tmp_path: Path) -> None:
    with Proxy(str(tmp_path / "nobody")) as proxy:
        assert nobody_answers(proxy)


def test_closing_breaks_what_is_connected_and_may_be_repeated(proxy: Proxy) -> None:
    with connected(proxy) as client:
        said(client, b"hello")
        proxy.close()
        assert is_broken(client)
    proxy.close()
    with pytest.raises(OSError):  # noqa: PT011 - refused, or no such file
        connected(proxy)
