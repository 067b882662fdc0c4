"""Valkey beside what one bare connection does on it, in the same run.

The bare loop is a single script call that acks 100 jobs and claims 100 more, their JSON decoded:
no queue on Redis can be faster. Prints a table; fails below the shares and rates that are promised.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Measure
from benchmarks.noop import JOBS, per_second
from jobkit.adapter import Ack
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server, running

__all__ = ["bare_loop", "main"]

BATCH = 100
SINGLY = 2_000
WAKES = 200

BARE = """
for i = 2, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
local jobs = redis.call('RPOP', KEYS[1], ARGV[1])
if not jobs then return {} end
for i, job in ipairs(jobs) do redis.call('HSET', KEYS[2], i, job) end
return jobs
"""


def main() -> int:
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        measures = [*_shares(server), *_rates(server), *_wakes(server)]
    print(f"\nValkey, {JOBS:,} no-op jobs, one worker process, ten threads\n")
    print(*measures, sep="\n")
    return 0 if all(each.good for each in measures) else 1


def _shares(server: Server) -> list[Measure]:
    bare = median(bare_loop(server) for _ in range(3))
    command = [sys.executable, "-m", "benchmarks.noop", server.url()]
    settled: list[float] = []
    for _ in range(3):
        with server.client() as client:
            client.flushall()
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        settled.append(json.loads(answer)["settled"])
    print(f"bare loop {bare:,.0f} jobs/s, a worker {median(settled):,.0f} jobs/s")
    return [
        Measure("drained, of the bare loop", 100 * median(settled) / bare, 8, "%"),
        Measure("enqueued singly, of a bare LPUSH", 100 * _single(server), 60, "%"),
    ]


def bare_loop(server: Server) -> float:
    with server.client() as client:
        client.flushall()
        texts = [job().text for _ in range(JOBS)]
        client.lpush("jobs", *texts)
        script = client.register_script(BARE)

        def drain() -> None:
            held: Sequence[int] = ()
            while jobs := script(keys=["jobs", "held"], args=[BATCH, *held]):
                for each in jobs:
                    json.loads(each)
                held = range(1, len(jobs) + 1)

        return per_second(JOBS, drain)


def _single(server: Server) -> float:
    """The share of LPUSH's rate, both taken in turns so that both see the same machine."""
    adapter = RedisAdapter(server.url())
    jobs = [job() for _ in range(SINGLY)]
    shares: list[float] = []
    with server.client() as client:
        for _ in range(5):
            push = per_second(SINGLY, lambda: [client.lpush("bare", j.text) for j in jobs])
            shares.append(per_second(SINGLY, lambda: _store(adapter, [[j] for j in jobs])) / push)
    adapter.close()
    return median(shares)


def _rates(server: Server) -> list[Measure]:
    adapter = RedisAdapter(server.url())
    adapter.beat("worker", lease=60, claims=[], register=True)
    slices = [[job() for _ in range(1_000)] for _ in range(20)]
    bulk = per_second(20_000, lambda: _store(adapter, slices))
    due = time.time() + 1
    for _ in range(20):
        adapter.enqueue([job(queue="due", scheduled_at=due) for _ in range(1_000)])
    time.sleep(max(0.0, due - time.time()))
    promoted = _beside(lambda: _claims(adapter), lambda: per_second(20_000, lambda: _up(adapter)))
    adapter.close()
    return [
        Measure("stored a thousand at a time", bulk, 50_000, "jobs/s"),
        Measure("promoted while others claim", promoted, 20_000, "jobs/s"),
    ]


def _store(adapter: RedisAdapter, slices: Iterable[Sequence[Payload]]) -> None:
    for each in slices:
        adapter.enqueue(each)


def _up(adapter: RedisAdapter) -> None:
    left = 20_000
    while left:
        left -= adapter.maintain(limit=1_000).promoted


def _claims(adapter: RedisAdapter) -> None:
    claims = adapter.claim(["default"], limit=10, worker="worker")
    adapter.settle([Ack(each) for each in claims])
    time.sleep(0.001)


def _beside(again: Callable[[], object], work: Callable[[], float]) -> float:
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            again()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        return work()
    finally:
        over.set()
        thread.join()


def _wakes(server: Server) -> list[Measure]:
    """From the call that enqueues to the claim in another thread, which was idle."""
    url = server.url("namespace=wakes")
    producer, consumer = RedisAdapter(url), RedisAdapter(url)
    consumer.beat("idle", lease=60, claims=[], register=True)
    arrived: list[float] = []

    def take() -> None:
        while len(arrived) < WAKES:
            if claims := consumer.claim(["default"], limit=1, worker="idle"):
                arrived.append(time.perf_counter())
                consumer.settle([Ack(each) for each in claims])
            else:
                consumer.wait(["default"], 0.25)

    thread = threading.Thread(target=take)
    thread.start()
    took = [_one_wake(producer, arrived) for _ in range(WAKES)]
    thread.join()
    producer.close()
    consumer.close()
    cuts = quantiles(took, n=100)
    print(f"woken: p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms")
    return [
        Measure("wake-ups a second at the median", 1 / cuts[49], 1 / 0.0015, "1/s"),
        Measure("wake-ups a second at the 99th percentile", 1 / cuts[98], 1 / 0.005, "1/s"),
    ]


def _one_wake(producer: RedisAdapter, arrived: list[float]) -> float:
    time.sleep(0.02)
    number, began = len(arrived), time.perf_counter()
    producer.enqueue([job()])
    while len(arrived) == number:
        time.sleep(0.0002)
    return arrived[-1] - began


def job(**fields: Any) -> Payload:
    now = time.time()
    usual = {"class": "benchmarks.noop.NoOp", "args": [1], "jid": new_id(), "queue": "default"}
    made = Payload.of({**usual, "created_at": now, "enqueued_at": now, "v": 1, **fields})
    return Payload(made.text)


if __name__ == "__main__":
    sys.exit(main())
