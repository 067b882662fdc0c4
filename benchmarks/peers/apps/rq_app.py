import os
import time

from redis import Redis
from rq import Queue

from benchmarks.peers.tally import ran, started

queue = Queue(connection=Redis.from_url(os.environ.get("BENCH_URL", "redis://")))


def noop(number):
    ran()


def timed(sent):
    started(sent)


def napping(number):
    time.sleep(0.01)
    ran()


def one(number):
    queue.enqueue(noop, number, result_ttl=0)


def many(numbers):
    prepare_one = Queue.prepare_data
    queue.enqueue_many([prepare_one(noop, (number,), result_ttl=0) for number in numbers])


def send(sent):
    queue.enqueue(timed, sent, result_ttl=0)


def nap(numbers):
    for number in numbers:
        queue.enqueue(napping, number, result_ttl=0)
