import logging
import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.tally import ran, started

broker = RedisBroker(url=os.environ.get("BENCH_URL"))
dramatiq.set_broker(broker)
if os.environ.get("BENCH_QUIET"):
    logging.disable(logging.WARNING)


@dramatiq.actor
def noop(number):
    ran()


@dramatiq.actor
def timed(sent):
    started(sent)


@dramatiq.actor
def napping(number):
    time.sleep(0.01)
    ran()


def one(number):
    noop.send(number)


def many(numbers):
    for number in numbers:
        noop.send(number)


def send(sent):
    timed.send(sent)


def nap(numbers):
    for number in numbers:
        napping.send(number)
