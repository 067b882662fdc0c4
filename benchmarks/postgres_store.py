"""PostgreSQL beside what one bare connection does on it, in the same run, every commit on the disk.

The bare loop claims 100 rows and deletes 100, one statement each; the bare INSERT stores one row in
a transaction of its own. Both prepare nothing, as jobkit by default, which poolers would break.
Prints a table; fails below the shares and rates that are promised.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from statistics import median, quantiles

import psycopg

from benchmarks.measure import Measure
from benchmarks.noop import JOBS, per_second
from jobkit.adapter import Ack
from jobkit.payload import Payload, new_id
from jobkit_sql import SqlAdapter
from tests.servers.postgres import Postgres

__all__ = ["bare_loop", "main"]

BATCH = 100
SINGLY = 500
WAKES = 200
WAITING = 1_000_000

CREATE = """
CREATE TABLE bare (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE, state text NOT NULL, queue text NOT NULL, payload text NOT NULL
);
CREATE INDEX bare_enqueued ON bare (queue, key) WHERE state = 'enqueued';
"""
INSERT = "INSERT INTO bare (id, state, queue, payload) VALUES (%s, 'enqueued', 'default', %s)"
CLAIM = """
UPDATE bare SET state = 'running' WHERE key = ANY (ARRAY(
    SELECT key FROM bare WHERE state = 'enqueued' AND queue = 'default'
    ORDER BY key LIMIT %s FOR UPDATE SKIP LOCKED
)) RETURNING key, payload
"""
DELETE = "DELETE FROM bare WHERE key = ANY (%s)"
FILL = """
INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class, payload)
SELECT 1e9 + n, 1e9 + n, 0, 0, 'waiting' || n, 'enqueued', 'default', 'benchmarks.noop.NoOp',
    '{"class": "benchmarks.noop.NoOp", "args": [1], "jid": "waiting' || n || '", "v": 1}'
FROM generate_series(1, %s) AS n
"""


def main() -> int:
    server = Postgres(durable=True)
    server.start()
    try:
        measures = [*_shares(server), *_rates(server), *_wakes(server)]
    finally:
        server.remove()
    print(f"\nPostgreSQL, {JOBS:,} no-op jobs, one worker process, ten threads\n")
    print(*measures, sep="\n")
    return 0 if all(each.good for each in measures) else 1


def _shares(server: Postgres) -> list[Measure]:
    bare = median(bare_loop(server) for _ in range(3))
    command = [sys.executable, "-m", "benchmarks.noop"]
    settled: list[float] = []
    for _ in range(3):
        url = server.emptied("noop")
        answer = subprocess.run([*command, url], check=True, stdout=subprocess.PIPE, text=True)
        settled.append(json.loads(answer.stdout)["settled"])
    print(f"bare loop {bare:,.0f} jobs/s, a worker {median(settled):,.0f} jobs/s")
    return [
        Measure("drained, of the bare loop", 100 * median(settled) / bare, 20, "%"),
        Measure("enqueued singly, of a bare INSERT", 100 * _single(server), 100 / 1.6, "%"),
    ]


@contextmanager
def _bare(server: Postgres) -> Generator[psycopg.Connection]:
    with closing(server.connect()) as connection:
        connection.prepare_threshold = None
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(CREATE)
        yield connection


def bare_loop(server: Postgres) -> float:
    with _bare(server) as connection:
        jobs = [job() for _ in range(JOBS)]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(INSERT, [(each.id, each.text) for each in jobs])

        def drain() -> None:
            while rows := connection.execute(CLAIM, [BATCH]).fetchall():
                for _, text in rows:
                    json.loads(text)
                connection.execute(DELETE, [[key for key, _ in rows]])

        return per_second(JOBS, drain)


def _single(server: Postgres) -> float:
    """The share of INSERT's rate, both taken in turns so that both see the same machine."""
    with closing(SqlAdapter(server.emptied("single"))) as adapter, _bare(server) as connection:
        return median(_single_share(adapter, connection) for _ in range(7))


def _single_share(adapter: SqlAdapter, connection: psycopg.Connection) -> float:
    jobs = [job() for _ in range(SINGLY)]

    def insert() -> None:
        for each in jobs:
            connection.execute(INSERT, (each.id, each.text))

    bare = per_second(SINGLY, insert)
    return per_second(SINGLY, lambda: _store(adapter, ([each] for each in jobs))) / bare


def _rates(server: Postgres) -> list[Measure]:
    url = server.emptied("rates")
    with closing(SqlAdapter(url)) as adapter, closing(server.connect()) as connection:
        adapter.beat("worker", lease=600, claims=[], register=True)
        slices = [[job() for _ in range(1_000)] for _ in range(20)]
        bulk = per_second(20_000, lambda: _store(adapter, slices))
        _drain(adapter, 20_000)
        connection.execute("SET search_path TO rates")
        _fill(connection, JOBS)
        few = per_second(JOBS, lambda: _drain(adapter, JOBS))
        _fill(connection, WAITING)
        many = per_second(JOBS, lambda: _drain(adapter, JOBS))
    return [
        Measure("stored a thousand at a time", bulk, 30_000, "jobs/s"),
        Measure("drained beside 1,000,000, of alone", 100 * many / few, 100 / 1.3, "%"),
    ]


def _fill(connection: psycopg.Connection, rows: int) -> None:
    connection.execute("TRUNCATE jobkit_jobs")
    connection.execute(FILL.encode(), [rows])
    connection.execute("VACUUM ANALYZE jobkit_jobs")


def _drain(adapter: SqlAdapter, jobs: int) -> None:
    for _ in range(jobs // BATCH):
        claims = adapter.claim(["default"], limit=BATCH, worker="worker")
        assert len(claims) == BATCH
        adapter.settle([Ack(each) for each in claims])


def _wakes(server: Postgres) -> list[Measure]:
    """From the enqueue to the claim of a worker that was idle."""
    url = server.emptied("wakes")
    times: list[float] = []
    with closing(SqlAdapter(url)) as sender, closing(SqlAdapter(url)) as waiter:
        waiter.beat("worker", lease=600, claims=[], register=True)
        came = threading.Semaphore(0)
        worker = threading.Thread(target=lambda: _idle(waiter, came))
        worker.start()
        time.sleep(0.5)
        for _ in range(WAKES):
            time.sleep(0.03)
            began = time.perf_counter()
            sender.enqueue([job()])
            came.acquire()
            times.append(time.perf_counter() - began)
        worker.join()
    centiles = quantiles(times, n=100)
    return [
        Measure("wakes a second at the median (5 ms)", 1 / centiles[49], 200, "1/s"),
        Measure("wakes a second, 99th of 100 (25 ms)", 1 / centiles[98], 40, "1/s"),
    ]


def _idle(waiter: SqlAdapter, came: threading.Semaphore) -> None:
    left = WAKES
    while left:
        claims = waiter.claim(["default"], limit=10, worker="worker")
        if not claims:
            waiter.wait(["default"], 0.25)
            continue
        for _ in claims:
            came.release()
        left -= len(claims)
        waiter.settle([Ack(each) for each in claims])


def _store(adapter: SqlAdapter, slices: Iterable[list[Payload]]) -> None:
    for each in slices:
        adapter.enqueue(each)


def job() -> Payload:
    usual = {"class": "benchmarks.noop.NoOp", "jid": new_id(), "queue": "default", "args": [1]}
    return Payload.of({**usual, "created_at": time.time(), "v": 1})


if __name__ == "__main__":
    sys.exit(main())
