import os
import time

from celery import Celery

from benchmarks.peers.tally import ran, started

app = Celery("bench", broker=os.environ.get("BENCH_URL"))
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task
def noop(number):
    ran()


@app.task
def timed(sent):
    started(sent)


@app.task
def napping(number):
    time.sleep(0.01)
    ran()


def one(number):
    noop.delay(number)


def many(numbers):
    with app.producer_pool.acquire(block=True) as producer:
        for number in numbers:
            noop.apply_async((number,), producer=producer)


def send(sent):
    timed.delay(sent)


def nap(numbers):
    for number in numbers:
        napping.delay(number)
