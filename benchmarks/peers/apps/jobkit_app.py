import time

import jobkit
from benchmarks.peers.tally import ran, started
from jobkit import Job

__all__ = ["Nap", "NoOp", "Timed"]


class NoOp(Job):
    def perform(self, number: int) -> None:
        ran()


class Timed(Job):
    def perform(self, sent: float) -> None:
        started(sent)


class Nap(Job):
    def perform(self, number: int) -> None:
        time.sleep(0.01)
        ran()


def prepare(url):
    if url.startswith("postgresql"):
        from jobkit import backends

        jobkit.configure(url=url)
        backends.get_adapter().migrate()
        backends.close_all()


def configure(url):
    jobkit.configure(url=url)


def one(number):
    NoOp.perform_later(number)


def many(numbers):
    NoOp.perform_bulk((number,) for number in numbers)


def send(sent):
    Timed.perform_later(sent)


def nap(numbers):
    Nap.perform_bulk((number,) for number in numbers)
