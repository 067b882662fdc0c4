"""`jobkit dashboard`."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]


def address_of(process: subprocess.Popen[str]) -> str:
    """Where it listens, as it says itself."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"running on (http://\S+)", line):
            return found[1]
    raise AssertionError("it ended before it listened")


def got(address: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_the_pages_until_told_to_stop(start: Start, number: signal.Signals) -> None:
    process = start("dashboard", "--port", "0")
    address = address_of(process)
    assert got(f"{address}/dead") == (200, got(f"{address}/dead")[1])
    assert got(address, Host="attacker.example")[0] == 421
    process.send_signal(number)
    assert process.wait(45) == 0


@pytest.mark.usefixtures("store")
def test_asks_for_the_password(start: Start) -> None:
    process = start("dashboard", "--port", "0", "--auth", "ada", JOBKIT_DASHBOARD_PASSWORD="secret")
    address = address_of(process)
    token = base64.b64encode(b"ada:secret").decode()
    assert got(address)[0] == 401
    assert got(address, Authorization=f"Basic {token}")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_refuses_to_be_open_to_others(run: Run, host: str) -> None:
    done = run("dashboard", "--host", host)
    assert done.code == 2
    assert "give --auth USER" in done.err


def test_refuses_a_user_without_a_password(run: Run) -> None:
    done = run("dashboard", "--auth", "ada")
    assert done.code == 2
    assert "JOBKIT_DASHBOARD_PASSWORD" in done.err


def test_tells_a_store_that_cannot_be_used(run: Run) -> None:
    done = run("dashboard", "--url", "sqlite:////nowhere/at/all.db")
    assert done.code == 1
    assert "Traceback" not in done.err
