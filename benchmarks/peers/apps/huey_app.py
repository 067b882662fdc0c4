import os
import time

from huey import RedisHuey, SqliteHuey

from benchmarks.peers.tally import ran, started

_url = os.environ.get("BENCH_URL", "")
if _url.startswith("sqlite:///"):
    huey = SqliteHuey(filename=_url.removeprefix("sqlite:///"), results=False, fsync=True)
else:
    huey = RedisHuey(url=_url or None, results=False)


@huey.task()
def noop(number):
    ran()


@huey.task()
def timed(sent):
    started(sent)


@huey.task()
def napping(number):
    time.sleep(0.01)
    ran()


def one(number):
    noop(number)


def many(numbers):
    for number in numbers:
        noop(number)


def send(sent):
    timed(sent)


def nap(numbers):
    for number in numbers:
        napping(number)
