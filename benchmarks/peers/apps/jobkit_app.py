import time

import jobkit
from benchmarks.peers.tally import ran, started
from jobkit import Job

__all__ = ["Nap", "NoOp", "Timed", "Work"]


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


class Work(Job):
    """Takes 0.1 ms of CPU, about: what a job does that does anything."""

    def perform(self, number: int) -> None:
        for _ in range(6_000):
            pass
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


def work(numbers):
    Work.perform_bulk((number,) for number in numbers)


def send(sent):
    Timed.perform_later(sent)


def nap(numbers):
    Nap.perform_bulk((number,) for number in numbers)
