"""What it takes to store jobs, beside what the bare client takes to store the same text.

One at a time: `perform_later` beside one LPUSH, or one INSERT in a transaction of its own. Many: a
`perform_bulk` beside a loop that makes the same text with `json.dumps` and stores it a thousand a
call. The two are taken in turns, so that both see the same machine; the ratio is of medians.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import psycopg

import jobkit
from benchmarks.measure import Measure
from benchmarks.noop import NoOp
from jobkit import backends
from jobkit.jobs.writing import payload_of
from tests.servers.postgres import Postgres
from tests.servers.valkey import running

__all__ = ["main", "shares"]

SLICE: Final = 1_000
ROUNDS: Final = 15

Bare = Callable[[Sequence[str]], object]
"""Stores texts, in one call."""


@contextmanager
def _redis() -> Generator[tuple[str, Bare]]:
    with TemporaryDirectory() as folder, running(Path(folder)) as server, server.client() as client:
        yield server.url(), lambda texts: client.lpush("bare", *texts)


@contextmanager
def _postgresql() -> Generator[tuple[str, Bare]]:
    insert = "INSERT INTO bare (state, payload) VALUES ('enqueued', %s)"
    server = Postgres(durable=True)
    server.start()
    try:
        url = server.emptied("enqueueing")
        with closing(server.connect()) as connection:
            connection.execute(
                "CREATE TABLE bare (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                "state text NOT NULL, payload text NOT NULL)"
            )
            yield url, lambda texts: _inserted(connection, insert, texts)
    finally:
        server.remove()


def _inserted(connection: psycopg.Connection, insert: str, texts: Sequence[str]) -> None:
    if len(texts) == 1:
        connection.execute(insert.encode(), texts)
        return
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(insert.encode(), [(text,) for text in texts])


@contextmanager
def _sqlite() -> Generator[tuple[str, Bare]]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "bare.sqlite3")
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(
                "CREATE TABLE bare (key INTEGER PRIMARY KEY, state TEXT NOT NULL, "
                "payload TEXT NOT NULL)"
            )
            yield f"sqlite:///{folder}/jobs.sqlite3", lambda texts: _written(connection, texts)


def _written(connection: sqlite3.Connection, texts: Sequence[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT INTO bare (state, payload) VALUES ('enqueued', ?)", [(text,) for text in texts]
    )
    connection.execute("COMMIT")


_STORES: Final = {
    "Redis": (_redis, 1_000, 80, 50),
    "PostgreSQL": (_postgresql, 200, 65, 50),
    "SQLite": (_sqlite, 200, 65, 50),
}
"""How to have one, jobs of a round that are stored one at a time, and the least shares in %."""


def shares(store: str) -> list[Measure]:
    """Of one store, the rates of jobs as shares of the bare client's."""
    opened, singly, least_one, least_many = _STORES[store]
    with opened() as (url, bare):
        jobkit.configure(url=url)
        adapter: Any = backends.get_adapter()
        getattr(adapter, "migrate", lambda: None)()
        text = _text()
        measures = [
            Measure(
                f"{store}: enqueued one at a time, of bare",
                100 * _share(lambda: _each(singly, lambda: bare([text])), lambda: _later(singly)),
                least_one,
                "%",
            ),
            Measure(
                f"{store}: enqueued many, of bare",
                100 * _share(lambda: _bare_bulk(bare), _bulk),
                least_many,
                "%",
            ),
        ]
        backends.close_all()
    return measures


def _share(bare: Callable[[], object], ours: Callable[[], object]) -> float:
    """The bare one's time over ours."""
    bare()
    ours()
    taken = [(_timed(bare), _timed(ours)) for _ in range(ROUNDS)]
    return median(each for each, _ in taken) / median(each for _, each in taken)


def _timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _each(number: int, work: Callable[[], object]) -> None:
    for _ in range(number):
        work()


def _later(number: int) -> None:
    for each in range(number):
        NoOp.perform_later(each)


def _bulk() -> None:
    NoOp.perform_bulk((each,) for each in range(5 * SLICE))


def _bare_bulk(bare: Bare) -> None:
    fields = json.loads(_text())
    for _ in range(5):
        bare([json.dumps(fields) for _ in range(SLICE)])


def _text() -> str:
    return payload_of(NoOp.new(1), 1_700_000_000.123).text


def main(stores: Iterator[str]) -> int:
    measures = [measure for store in stores for measure in shares(store)]
    print(*measures, sep="\n")
    return 0 if all(each.good for each in measures) else 1


if __name__ == "__main__":
    sys.exit(main(iter(sys.argv[1:] or _STORES)))
