import asyncio
import logging
import os
import subprocess
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from benchmarks.peers.tally import ran, started

_url = os.environ.get("BENCH_URL", "")
_state = {}


async def _connected():
    return AsyncpgDriver(await asyncpg.connect(_url))  # the faster of its drivers


async def main():
    queue = PgQueuer(await _connected())

    @queue.entrypoint("noop")
    async def noop(job):
        ran()

    @queue.entrypoint("timed")
    async def timed(job):
        started(float(job.payload))

    @queue.entrypoint("napping")
    async def napping(job):
        await asyncio.sleep(0.01)
        ran()

    return queue


async def begin():
    _state["queries"] = Queries(await _connected())


async def end():
    pass


def prepare(url):
    command = [sys.executable, "-m", "pgqueuer", "--pg-dsn", url, "install"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def one(number):
    await _state["queries"].enqueue("noop", str(number).encode())


async def many(numbers):
    payloads = [str(number).encode() for number in numbers]
    names, zeros = ["noop"] * len(payloads), [0] * len(payloads)
    await _state["queries"].enqueue(names, payloads, zeros)


async def send(sent):
    await _state["queries"].enqueue("timed", str(sent).encode())


async def nap(numbers):
    payloads = [str(number).encode() for number in numbers]
    names, zeros = ["napping"] * len(payloads), [0] * len(payloads)
    await _state["queries"].enqueue(names, payloads, zeros)


async def _serve():
    queue = await main()
    await queue.run(batch_size=100)


if __name__ == "__main__":
    logging.basicConfig(level="INFO" if os.environ["BENCH_LOGS"] else "ERROR")
    asyncio.run(_serve())
