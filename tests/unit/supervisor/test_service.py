"""What a service manager is told, on a socket like systemd's."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit.supervisor.condition import Condition
from jobkit.supervisor.service import Service


@pytest.fixture(params=["file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "n") if request.param == "file" else f"@jobkit-{secrets.token_hex(8)}"


@pytest.fixture
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0", 1))
        manager.setblocking(False)
        yield manager


def told(manager: socket.socket) -> list[str]:
    lines: list[str] = []
    try:
        while True:
            lines += manager.recv(4096).decode().splitlines()
    except BlockingIOError:
        return lines


def service(address: str, **more: str) -> Service:
    made = Service.of({"NOTIFY_SOCKET": address, **more})
    assert made is not None
    return made


def test_a_life_is_told_once_each_and_time_is_asked_for_at_both_ends(
    manager: socket.socket, address: str
) -> None:
    it = service(address)
    it.note(Condition(0.0, ("the store failed",)))
    assert told(manager) == ["STATUS=the store failed", "EXTEND_TIMEOUT_USEC=30000000"]
    it.note(Condition(0.2, ("the store failed",)))
    assert told(manager) == []
    it.note(Condition(10.1, ("the store failed",)))
    assert told(manager) == ["EXTEND_TIMEOUT_USEC=30000000"]
    it.note(Condition(10.2))
    assert told(manager) == ["READY=1", "STATUS=ready"]
    it.note(Condition(99.0, ("quiet",)))
    it.note(Condition(99.2))
    assert told(manager) == ["STATUS=quiet", "STATUS=ready"]
    it.note(Condition(100.0, ("stopping",), stopping=True))
    it.note(Condition(100.2, ("stopping",), stopping=True))
    assert told(manager) == ["STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=30000000"]
    it.close()


def test_the_watchdog_is_fed_in_half_its_time(manager: socket.socket, address: str) -> None:
    it = service(address, WATCHDOG_USEC="2000000", WATCHDOG_PID=str(os.getpid()))
    for at in range(101):
        it.note(Condition(at / 10))
    assert told(manager).count("WATCHDOG=1") == 11
    it.close()


def test_a_watchdog_of_somebody_else_is_not_fed(manager: socket.socket, address: str) -> None:
    it = service(address, WATCHDOG_USEC="2000000", WATCHDOG_PID="1")
    it.note(Condition(0.0))
    assert "WATCHDOG=1" not in told(manager)
    it.close()


@pytest.mark.parametrize("micros", ["", "0", "soon", "-1"])
def test_nonsense_about_a_watchdog_is_none(
    manager: socket.socket, address: str, micros: str
) -> None:
    it = service(address, WATCHDOG_USEC=micros)
    it.note(Condition(0.0))
    assert "WATCHDOG=1" not in told(manager)
    it.close()


@pytest.mark.parametrize("variable", ["", "vsock:2:1234", "relative"])
def test_without_a_socket_that_we_know_there_is_no_service(variable: str) -> None:
    assert Service.of({"NOTIFY_SOCKET": variable}) is None
    assert Service.of({}) is None


def test_a_manager_that_does_not_listen_is_not_waited_for(tmp_path: Path) -> None:
    it = service(str(tmp_path / "nobody"))
    it.note(Condition(0.0))
    it.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(str(tmp_path / "full"))
        it = service(str(tmp_path / "full"))
        for at in range(5_000):
            it.note(Condition(float(at), (str(at),)))
        it.close()
