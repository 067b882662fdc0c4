"""The application that the workers of a chaos run import: jobs that write down what they do.

The environment says where the journal is and which fault is seeded (`mutations`), if any.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

from jobkit import Job, retry_on
from tests.chaos import mutations, witness
from tests.chaos.journal import Journal

__all__ = ["ATTEMPTS", "JOURNAL", "MUTATION", "QUEUE", "Boom", "Failing", "Lasting", "Quick"]

JOURNAL: Final = "CHAOS_JOURNAL"
MUTATION: Final = "CHAOS_MUTATION"
QUEUE: Final = "chaos"
ATTEMPTS: Final = 3


class Boom(Exception):
    """What a failing job raises."""


class Quick(Job, queue=QUEUE):
    """Takes `seconds`, and succeeds."""

    def perform(self, seconds: float) -> None:
        _run(self, seconds)


class Lasting(Job, queue=QUEUE):
    """Takes longer than a lease, and succeeds."""

    def perform(self, seconds: float) -> None:
        _run(self, seconds)


@retry_on(Boom, wait=0.1, attempts=ATTEMPTS, jitter=None)
class Failing(Job, queue=QUEUE):
    """Fails in every attempt before `good`: with `good` above the attempts it dies."""

    def perform(self, seconds: float, good: int) -> None:
        _run(self, seconds)
        if self.executions < good:
            raise Boom


def _run(job: Job, seconds: float) -> None:
    if JOURNAL not in os.environ:
        return  # what a worker holds on to is measured without our own writing
    thread = threading.get_native_id()
    began = time.monotonic()
    _journal().write("start", job.id, job.executions, thread, began, at=began)
    if seconds:
        time.sleep(seconds)
    _journal().write("finish", job.id, job.executions, thread, began)


_written: list[Journal] = []


def _journal() -> Journal:
    if not _written:
        _written.append(Journal(Path(os.environ[JOURNAL])))
    return _written[0]


if JOURNAL in os.environ:
    # In this order: the journal tells what the store is asked in truth, whoever lies above.
    witness.watch(_journal())
    mutations.seed(os.environ.get(MUTATION, ""))
