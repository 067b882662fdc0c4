"""The worker: claims jobs, runs them on threads, settles them, and loses none."""

from __future__ import annotations

from jobkit.worker.options import WorkerOptions
from jobkit.worker.process import Worker, leave, run_process

__all__ = ["Worker", "WorkerOptions", "leave", "run_process"]
