"""What a page of the dashboard costs with very much in the store.

    python -m benchmarks.pages [sqlite] [postgresql] [redis] [--jobs N]

fills each store with N dead and N scheduled jobs (a million), and 100 queues, and times the
overview, the dead set's first page, one further on, and the page of metrics. Fails when one takes
more than 100 ms at the median. What is told besides: the longest, counting all jobs once, and the
first page of a dashboard that has just started, which waits for that.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from starlette.testclient import TestClient

from jobkit import backends, settings
from jobkit.adapter import Adapter, State
from jobkit.capabilities import SupportsInspect
from jobkit.dashboard import create_app
from jobkit.measures import Measure, SupportsMetrics
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.servers.postgres import Postgres
from tests.servers.valkey import running

QUEUES: Final = 100
MOST_MS: Final = 100.0
ROUNDS: Final = 200
NOW: Final = time.time()

COLUMNS: Final = "(run_at, at, priority, deliveries, id, state, queue, class, payload)"
TEXT: Final = (
    '{"class": "shop.billing.ChargeCard", "args": [4711], "jid": "%s", "queue": "q7",'
    ' "created_at": 1700000000.5, "error_class": "ValueError", "error_message": "wrong",'
    ' "executions": 26, "v": 1}'
)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", metavar="store", help=", ".join(STORES))
    parser.add_argument("--jobs", type=int, default=1_000_000)
    given = parser.parse_args()
    slow = 0
    for name in given.stores or STORES:
        with STORES[name](given.jobs) as (url, adapter):
            _put_rest(adapter)
            slow += _measure(name, url)
    return min(slow, 1)


def _measure(name: str, url: str) -> int:
    settings.override(url=url)
    client = TestClient(create_app(auth=None))
    _told(name, "stats()", [_timed(lambda: _inspecting().stats()) for _ in range(3)])
    _told(name, "overview, the first", [_timed(lambda: client.get("/"))])
    after = _inspecting().jobs(State.DEAD, limit=5_000).next
    pages = {
        "overview": "/",
        "stats.json": "/stats.json",
        "dead": "/dead",
        "dead, further on": f"/dead?after={after}",
        "scheduled": "/scheduled",
        "queues": "/queues",
        "metrics": "/metrics",
    }
    slow = 0
    for title, address in pages.items():
        took = [_timed(lambda: client.get(address)) for _ in range(ROUNDS)]  # noqa: B023 - at once
        slow += _told(name, title, took) > MOST_MS
    backends.close_all()
    settings.reset()
    return slow


def _told(name: str, title: str, took: list[float]) -> float:
    """Print the median and the longest; the median."""
    ms = median(took)
    print(f"{name:12}{title:20}{ms:8.1f} ms{max(took):8.1f} ms", flush=True)
    return ms


def _inspecting() -> SupportsInspect:
    adapter = backends.get_adapter()
    assert isinstance(adapter, SupportsInspect)
    return adapter


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _put_rest(adapter: Adapter) -> None:
    """A hundred queues with a few jobs, and an hour's measures of twenty classes."""
    for queue in range(QUEUES):
        adapter.enqueue([_job(f"queue-{queue}") for _ in range(10)])
    if isinstance(adapter, SupportsMetrics):
        adapter.record([Measure(f"app.Job{nth}", nth % 26, 5, 0.1) for nth in range(20)])


def _job(queue: str) -> Payload:
    return Payload.of({"class": "app.Job", "args": [1], "jid": new_id(), "queue": queue})


def _rows(number: int) -> Iterator[tuple[object, ...]]:
    for nth in range(number):
        dead, later = f"d{nth}", f"s{nth}"
        yield (NOW - nth, NOW - nth, 0, 0, dead, "dead", "q7", "a.Job", TEXT % dead)
        yield (NOW + nth + 1e6, NOW + nth + 1e6, 0, 0, later, "scheduled", "q7", "a.Job",
               TEXT % later)  # fmt: skip


@contextmanager
def _sqlite(number: int) -> Generator[tuple[str, Adapter]]:
    with TemporaryDirectory() as folder:
        url, file = f"sqlite:///{folder}/jobs.db", Path(folder, "jobs.db")
        with closing(SqlAdapter(url)) as adapter:
            adapter.migrate()
            with closing(sqlite3.connect(file)) as raw, raw:
                raw.executemany(
                    f"INSERT INTO jobkit_jobs {COLUMNS} VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608 - ours
                    _rows(number),
                )
            yield url, adapter


@contextmanager
def _postgresql(number: int) -> Generator[tuple[str, Adapter]]:
    server = Postgres(durable=False)
    server.start()
    try:
        url = server.emptied("pages")
        with closing(SqlAdapter(url)) as adapter:
            adapter.migrate()
            with closing(server.connect()) as raw:
                raw.execute("SET search_path TO pages")
                with (
                    raw.cursor() as cursor,
                    cursor.copy(f"COPY jobkit_jobs {COLUMNS} FROM STDIN") as copy,
                ):
                    for row in _rows(number):
                        copy.write_row(row)
                raw.execute("VACUUM ANALYZE jobkit_jobs")
            yield url, adapter
    finally:
        server.remove()


@contextmanager
def _redis(number: int) -> Generator[tuple[str, Adapter]]:
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        url = server.url()
        with server.client() as client, closing(RedisAdapter(url)) as adapter:
            for first in range(0, number, 10_000):
                some = range(first, min(number, first + 10_000))
                client.zadd("{jobkit}:dead", {TEXT % f"d{nth}": NOW - nth for nth in some})
                client.zadd(
                    "{jobkit}:schedule", {TEXT % f"s{nth}": NOW + 1e6 + nth for nth in some}
                )
            yield url, adapter


STORES: Final = {"sqlite": _sqlite, "postgresql": _postgresql, "redis": _redis}

assert json.loads(TEXT % "x")["jid"] == "x"

if __name__ == "__main__":
    sys.exit(main())
