"""What probes are answered, and what nonsense costs."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from jobkit.errors import ConfigurationError
from jobkit.supervisor import health as module
from jobkit.supervisor.condition import Condition
from jobkit.supervisor.health import Answer, Health
from jobkit.testing.clock import ManualClock
from tests.unit.worker.helpers import until


def metrics() -> Answer:
    return Answer(HTTPStatus.OK, b"jobkit_up 1\n", "text/plain; version=0.0.4")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> Iterator[Health]:
    health = Health(("127.0.0.1", 0), clock, metrics)
    health.start()
    yield health
    health.close()


def port_of(health: Health) -> int:
    return int(health._server.server_address[1])


def get(health: Health, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port_of(health)}{path}", timeout=40) as it:
            return it.status, it.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_is_not_ready_before_anything_was_noted_and_then_as_it_was_noted(
    health: Health, clock: ManualClock
) -> None:
    assert get(health, "/ready") == (503, "starting\n")
    health.note(Condition(clock.monotonic()))
    assert get(health, "/ready") == (200, "ready\n")
    health.note(Condition(clock.monotonic(), ("the store failed: away", "quiet")))
    assert get(health, "/ready") == (503, "the store failed: away\nquiet\n")
    assert get(health, "/live") == (200, "live\n")


def test_a_main_loop_that_stands_still_is_neither_live_nor_ready(
    health: Health, clock: ManualClock
) -> None:
    health.note(Condition(clock.monotonic()))
    clock.advance(11)
    assert get(health, "/live") == (503, "the main loop has not turned for 11 s\n")
    assert get(health, "/ready")[0] == 503


def test_metrics_are_told_where_somebody_has_them(health: Health, clock: ManualClock) -> None:
    assert get(health, "/metrics?name=x") == (200, "jobkit_up 1\n")
    without = Health(("127.0.0.1", 0), clock)
    without.start()
    assert get(without, "/metrics")[0] == 404
    without.close()


def test_metrics_that_fail_are_an_error_of_that_page_only(clock: ManualClock) -> None:
    def fail() -> Answer:
        raise ZeroDivisionError

    health = Health(("127.0.0.1", 0), clock, fail)
    health.start()
    assert get(health, "/metrics")[0] == 500
    assert get(health, "/live")[0] == 200
    health.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /live\r\n\r\n", b"400"),
        (b"\xff\xfe\x00 / HTTP/1.1\r\n\r\n", b"501"),
        (b"POST /live HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"501"),
        (b"GET /<b>../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
    ],
)
def test_nonsense_is_refused_and_the_next_is_answered(
    health: Health, request_: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port_of(health)), timeout=10) as client:
        answer = b""
        try:
            client.sendall(request_)
            while piece := client.recv(4096):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # what it did not read to the end
    assert status in answer or not answer.startswith(b"HTTP")
    assert b"<b>" not in answer
    assert get(health, "/live")[0] == 200


def test_clients_that_are_slow_or_silent_are_hung_up_on(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.3)
    health = Health(("127.0.0.1", 0), clock)
    health.start()
    slow = socket.create_connection(("127.0.0.1", port_of(health)))
    slow.sendall(b"G")
    silent = [socket.create_connection(("127.0.0.1", port_of(health))) for _ in range(49)]

    def answers() -> bool:
        try:
            return get(health, "/live")[0] == 200
        except OSError:
            return False  # turned away: the others have all the room

    until(answers)
    for client in (slow, *silent):
        client.settimeout(40)
        assert client.recv(100) == b""
        client.close()
    health.close()


def test_an_address_that_is_taken_is_a_mistake_of_the_configuration(
    health: Health, clock: ManualClock
) -> None:
    with pytest.raises(ConfigurationError, match=r"health: cannot listen on 127\.0\.0\.1:\d+"):
        Health(("127.0.0.1", port_of(health)), clock)
