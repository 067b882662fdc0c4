"""The stores, each with those that work on it: a private server on one core, they on the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.peers.contestant import Contestant
from tests.servers.postgres import Postgres
from tests.servers.valkey import Server

__all__ = ["STORES", "Field"]

_STORE_CORE: Final = 0
_SERVER: Final = {"shared_buffers": "1GB", "autovacuum_naptime": "1min"}
"""A server as it would be set up for the work; that of the tests is to be small."""

_PEERS: Final[Mapping[str, tuple[str, ...]]] = {
    "redis": ("celery", "dramatiq", "rq", "huey", "taskiq"),
    "postgresql": ("procrastinate", "pgqueuer"),
    "sqlite": ("huey",),
}


@dataclass(frozen=True, slots=True)
class Field:
    """A store and its contestants, jobkit first; `fresh` empties the store for one of them."""

    store: str
    contestants: tuple[Contestant, ...]
    fresh: Callable[[Contestant], Contestant]
    bare: Callable[[], float]
    """Jobs a second of a loop that acks 100 and claims 100, and runs nothing."""


@contextmanager
def _redis(folder: Path, peers: Collection[str] | None) -> Generator[Field]:
    from benchmarks.redis_store import bare_loop

    server = Server(folder / "redis", tcp=True)
    server.start()
    try:
        _pin(server.pid)

        def fresh(contestant: Contestant) -> Contestant:
            with server.client() as client:
                client.flushall()
            return contestant

        contestants = _contestants("redis", server.url().rstrip("?"), peers)
        yield Field("redis", contestants, fresh, lambda: bare_loop(server))
    finally:
        server.kill()


@contextmanager
def _postgresql(folder: Path, peers: Collection[str] | None) -> Generator[Field]:
    from benchmarks.postgres_store import bare_loop

    server = Postgres(durable=True, **_SERVER)
    server.start()
    try:
        _pin(server.pid)

        def fresh(contestant: Contestant) -> Contestant:
            name = f"bench_{contestant.app}"
            with closing(server.connect()) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
                connection.execute(f"CREATE DATABASE {name}".encode())
            found = replace(contestant, url=server.url(name))
            found.send("prepare", 0)
            return found

        contestants = _contestants("postgresql", server.url(), peers)
        yield Field("postgresql", contestants, fresh, lambda: bare_loop(server))
    finally:
        server.remove()


@contextmanager
def _sqlite(folder: Path, peers: Collection[str] | None) -> Generator[Field]:
    from benchmarks.bare import bare_loop

    numbers = iter(range(10_000))

    def fresh(contestant: Contestant) -> Contestant:
        file = folder / f"{contestant.app}-{next(numbers)}.sqlite3"
        return replace(contestant, url=f"sqlite:///{file}")

    contestants = _contestants("sqlite", "", peers)
    yield Field(
        "sqlite", contestants, fresh, lambda: bare_loop(folder / f"bare-{next(numbers)}.sqlite3")
    )


def _contestants(store: str, url: str, peers: Collection[str] | None) -> tuple[Contestant, ...]:
    others = [name for name in _PEERS[store] if peers is None or name in peers]
    cores = frozenset(os.sched_getaffinity(0))
    mine = cores - {_STORE_CORE} if store != "sqlite" and len(cores) > 1 else cores
    return tuple(Contestant(name, name, url, mine) for name in ("jobkit", *others))


def _pin(pid: int) -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(pid, {_STORE_CORE})


STORES: Final[
    Mapping[str, Callable[[Path, Collection[str] | None], AbstractContextManager[Field]]]
] = {"redis": _redis, "postgresql": _postgresql, "sqlite": _sqlite}
