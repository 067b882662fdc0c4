"""Reading and operating a store: what the command line and the dashboard stand on."""

from __future__ import annotations

from jobkit import backends
from jobkit.inspection.info import FailedRun, JobInfo, JobResult, Page, Progress
from jobkit.inspection.inspector import Inspector
from jobkit.inspection.metrics import ClassMetrics, TimeBucket

__all__ = [
    "ClassMetrics",
    "FailedRun",
    "Inspector",
    "JobInfo",
    "JobResult",
    "Page",
    "Progress",
    "TimeBucket",
    "inspect",
]


def inspect(backend: str = "default") -> Inspector:
    """The inspector of a backend. Raises Unsupported if its adapter cannot tell what it holds."""
    return Inspector(backends.get(backend))
