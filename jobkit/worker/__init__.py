"""The worker: claims jobs, runs them on threads, settles them, and loses none."""

from __future__ import annotations

from jobkit.worker.embedded import EmbeddedWorker, run_worker
from jobkit.worker.options import WorkerOptions
from jobkit.worker.process import Worker

__all__ = ["EmbeddedWorker", "Worker", "WorkerOptions", "run_worker"]
