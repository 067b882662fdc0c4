import asyncio
import os

from taskiq_redis import RedisStreamBroker

from benchmarks.peers.tally import ran, started

broker = RedisStreamBroker(url=os.environ.get("BENCH_URL", "redis://"))


@broker.task
async def noop(number: int) -> None:
    ran()


@broker.task
async def timed(sent: float) -> None:
    started(sent)


@broker.task
async def napping(number: int) -> None:
    await asyncio.sleep(0.01)
    ran()


async def begin():
    await broker.startup()


async def end():
    await broker.shutdown()


async def one(number):
    await noop.kiq(number)


async def many(numbers):
    for number in numbers:
        await noop.kiq(number)


async def send(sent):
    await timed.kiq(sent)


async def nap(numbers):
    for number in numbers:
        await napping.kiq(number)
