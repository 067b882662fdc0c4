"""Servers and adapters to be broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest

from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from jobkit_redis.scripts import script
from tests.faults.proxy import Proxy
from tests.servers.valkey import Server, running

__all__ = ["adapter", "job", "line", "proxied", "server", "until"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that keeps a log of every write."""
    with running(tmp_path / "server", tcp=True, appendonly=True) as server:
        _teach(server)
        yield server


@pytest.fixture
def adapter(server: Server) -> Iterator[RedisAdapter]:
    """An adapter straight to the server, with a registered worker."""
    with closing(RedisAdapter(server.url())) as adapter:
        adapter.beat("worker", lease=30, claims=[], register=True)
        yield adapter


@pytest.fixture
def line(server: Server) -> Iterator[Proxy]:
    """The network between the server and `proxied`."""
    with Proxy(server.address) as proxy:
        yield proxy


@pytest.fixture
def proxied(line: Proxy) -> Iterator[RedisAdapter]:
    """An adapter behind the network to be broken, patient: what must succeed may take its time."""
    host, port = cast("tuple[str, int]", line.address)
    times = "socket_timeout=30&socket_connect_timeout=30"
    with closing(RedisAdapter(f"redis://{host}:{port}?{times}")) as adapter:
        adapter.beat("proxied", lease=30, claims=[], register=True)
        yield adapter


def _teach(server: Server) -> None:
    """Load all scripts, so that no lost answer is the one that says a script is unknown."""
    with server.client() as client:
        for file in files("jobkit_redis").joinpath("lua").iterdir():
            if file.name.endswith(".lua"):
                client.script_load(script(file.name.removesuffix(".lua")).source)


def job(**fields: Any) -> Payload:
    now = time.time()
    usual = {"class": "app.Job", "args": [1], "jid": new_id(), "queue": "default"}
    return Payload.of({**usual, "created_at": now, "enqueued_at": now, **fields})


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what must come; fails the test when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
