"""A worker without a supervisor, as a process: `python -m tests.chaos.plain THREADS LEASE`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Final

from jobkit import backends
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from tests.chaos.application import QUEUE

__all__ = ["SHUTDOWN", "main"]

SHUTDOWN: Final = 10.0
"""Seconds that running jobs get: all that a run enqueues is shorter."""


_log = logging.getLogger("chaos")


def main(threads: int, lease: float) -> int:
    """Work until TERM, or until a part of the worker breaks: 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    options = WorkerOptions(
        queues=Queues((QUEUE,)), concurrency=threads, lease=lease, shutdown_timeout=SHUTDOWN
    )
    worker = Worker(backends.get_adapter(), options)
    signal.signal(signal.SIGTERM, lambda *_: worker.desk.inbox.put("stop"))
    if not worker.start():
        return 1
    message = worker.next_message()
    if message != "stop":
        _log.error("the worker broke: %r", message)
        return 1
    worker.stop(SHUTDOWN)
    return 0


if __name__ == "__main__":
    code = main(int(sys.argv[1]), float(sys.argv[2]))
    logging.shutdown()
    os._exit(code)
