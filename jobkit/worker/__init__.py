"""The worker: claims jobs, runs them on threads, settles them, and loses none."""

from __future__ import annotations

from jobkit.worker.options import WorkerOptions
from jobkit.worker.process import Worker

__all__ = ["Worker", "WorkerOptions"]
