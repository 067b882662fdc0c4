"""Jobs: the base class, the decorator, the verbs, and enqueueing by instance or by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.lazy import lazily

if TYPE_CHECKING:
    from jobkit.jobs.base import Job
    from jobkit.jobs.calls import (
        NamedOptions,
        aenqueue,
        aperform_all_later,
        current_job,
        enqueue,
        perform_all_later,
    )
    from jobkit.jobs.function import FunctionJob, job
    from jobkit.jobs.known import check_classes, constant_queues
    from jobkit.jobs.options import JobOptions, SetOptions
    from jobkit.jobs.performing import run_of
    from jobkit.jobs.verbs import Configured
else:
    # Inspection, entries and the worker enter by modules of it, each in a thread of its own maybe.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "base": ("Job",),
            "calls": (
                "NamedOptions",
                "aenqueue",
                "aperform_all_later",
                "current_job",
                "enqueue",
                "perform_all_later",
            ),
            "function": ("FunctionJob", "job"),
            "known": ("check_classes", "constant_queues"),
            "options": ("JobOptions", "SetOptions"),
            "performing": ("run_of",),
            "verbs": ("Configured",),
        },
    )

__all__ = [
    "Configured",
    "FunctionJob",
    "Job",
    "JobOptions",
    "NamedOptions",
    "SetOptions",
    "aenqueue",
    "aperform_all_later",
    "check_classes",
    "constant_queues",
    "current_job",
    "enqueue",
    "job",
    "perform_all_later",
    "run_of",
]
