"""The worker: claims jobs, runs them on threads, settles them, and loses none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.lazy import lazily

if TYPE_CHECKING:
    from jobkit.worker.embedded import EmbeddedWorker, run_worker
    from jobkit.worker.options import WorkerOptions
    from jobkit.worker.process import Worker
else:
    # A supervisor needs a few modules beside these, and none of them.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "embedded": ("EmbeddedWorker", "run_worker"),
            "options": ("WorkerOptions",),
            "process": ("Worker",),
        },
    )

__all__ = ["EmbeddedWorker", "Worker", "WorkerOptions", "run_worker"]
