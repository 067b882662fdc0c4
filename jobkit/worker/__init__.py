"""The worker: claims jobs, runs them on threads, settles them, and loses none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jobkit.worker.embedded import EmbeddedWorker, run_worker
    from jobkit.worker.options import WorkerOptions
    from jobkit.worker.process import Worker

__all__ = ["EmbeddedWorker", "Worker", "WorkerOptions", "run_worker"]

_LATER: Final = {
    "EmbeddedWorker": "jobkit.worker.embedded",
    "Worker": "jobkit.worker.process",
    "WorkerOptions": "jobkit.worker.options",
    "run_worker": "jobkit.worker.embedded",
}
"""Loaded at first use: a supervisor needs a few modules beside these, and none of them."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
