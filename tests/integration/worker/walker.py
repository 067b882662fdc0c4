"""A worker that is ready to begin: `python -m tests.integration.worker.walker LEASE SAVE_EVERY`.

It has imported everything, and begins when it reads a line. TERM has it stop. The second number is
how often the cursor of a step is written, in seconds.
"""

from __future__ import annotations

import os
import signal
import sys

from jobkit import backends
from jobkit.cli.application import import_modules
from jobkit.settings import Queues
from jobkit.steps import progress
from jobkit.worker import Worker, WorkerOptions

__all__ = ["main"]


def main(lease: float, save_every: float) -> int:
    """Work until TERM; 1 if a part of the worker broke."""
    progress.SAVE_EVERY = save_every  # type: ignore[misc] # 5 s would take the test minutes
    import_modules(["app"])
    options = WorkerOptions(queues=Queues(("default",)), concurrency=1, lease=lease)
    worker = Worker(backends.get_adapter(), options)
    signal.signal(signal.SIGTERM, lambda *_: worker.desk.inbox.put("stop"))
    sys.stdin.readline()
    if not worker.start():
        return 1
    message = worker.next_message()
    worker.stop(10)
    return 0 if message == "stop" else 1


if __name__ == "__main__":
    os._exit(main(float(sys.argv[1]), float(sys.argv[2])))
