"""Background jobs for Python: one way to declare a job, any store behind it.

from jobkit import Job, retry_on

@retry_on(ConnectionError, wait="polynomially_longer")
class WelcomeEmail(Job, queue="mailers"):
    def perform(self, user_id: int) -> None: ...

WelcomeEmail.perform_later(1)
"""

from __future__ import annotations

from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from jobkit.errors import (
    Abort,
    AdapterError,
    BatchFinished,
    BuryJob,
    ConfigurationError,
    DeserializationError,
    DiscardJob,
    DuplicateJob,
    EnqueueError,
    EnqueueUncertain,
    Interrupted,
    InvalidStep,
    JobCancelled,
    JobCrashed,
    JobFailed,
    JobkitError,
    JobTimeout,
    LeaseLost,
    NoResult,
    PayloadError,
    PayloadTooLarge,
    RecordNotFound,
    ResumeLimitReached,
    RetryJob,
    SerializationError,
    SettlementRefused,
    SnoozeJob,
    UnknownJob,
    UnknownVersion,
    Unsupported,
    WorkerLost,
)

if TYPE_CHECKING:
    from jobkit import events, middleware
    from jobkit.arguments import register_serializer
    from jobkit.batching import BatchInfo
    from jobkit.callbacks import (
        after_discard,
        after_enqueue,
        after_perform,
        around_enqueue,
        around_perform,
        before_enqueue,
        before_perform,
        on_cancel,
        on_complete,
        on_exhausted,
        on_resume,
        on_start,
        on_stop,
    )
    from jobkit.capabilities import DayStats, LimitInfo, QueueInfo, Stats, WorkerInfo
    from jobkit.entries import RecurringInfo, RecurringRun
    from jobkit.entries.recurring import recurring
    from jobkit.handlers import BURY, DEFAULT, DISCARD, discard_on, rescue_from, retry_on
    from jobkit.holding import is_stopping as stopping
    from jobkit.inspection import (
        ClassMetrics,
        FailedRun,
        Inspector,
        JobInfo,
        Page,
        Progress,
        TimeBucket,
        inspect,
    )
    from jobkit.jobs import (
        Job,
        JobOptions,
        aenqueue,
        aperform_all_later,
        current_job,
        enqueue,
        job,
        perform_all_later,
    )
    from jobkit.jobs.batches import Batch, current_batch
    from jobkit.jobs.chains import chain
    from jobkit.jobs.limits import Concurrency, Rate
    from jobkit.jobs.unique import Unique
    from jobkit.measures import MinuteStats
    from jobkit.middleware import Middleware, on_death, on_error
    from jobkit.propagation import propagate
    from jobkit.settings import configure
    from jobkit.steps import Step
    from jobkit.transactions import enqueue_in
    from jobkit.worker import EmbeddedWorker, run_worker

__version__ = "0.1.0"

__all__ = [
    "BURY",
    "DEFAULT",
    "DISCARD",
    "Abort",
    "AdapterError",
    "Batch",
    "BatchFinished",
    "BatchInfo",
    "BuryJob",
    "ClassMetrics",
    "Concurrency",
    "ConfigurationError",
    "DayStats",
    "DeserializationError",
    "DiscardJob",
    "DuplicateJob",
    "EmbeddedWorker",
    "EnqueueError",
    "EnqueueUncertain",
    "FailedRun",
    "Inspector",
    "Interrupted",
    "InvalidStep",
    "Job",
    "JobCancelled",
    "JobCrashed",
    "JobFailed",
    "JobInfo",
    "JobOptions",
    "JobTimeout",
    "JobkitError",
    "LeaseLost",
    "LimitInfo",
    "Middleware",
    "MinuteStats",
    "NoResult",
    "Page",
    "PayloadError",
    "PayloadTooLarge",
    "Progress",
    "QueueInfo",
    "Rate",
    "RecordNotFound",
    "RecurringInfo",
    "RecurringRun",
    "ResumeLimitReached",
    "RetryJob",
    "SerializationError",
    "SettlementRefused",
    "SnoozeJob",
    "Stats",
    "Step",
    "TimeBucket",
    "Unique",
    "UnknownJob",
    "UnknownVersion",
    "Unsupported",
    "WorkerInfo",
    "WorkerLost",
    "aenqueue",
    "after_discard",
    "after_enqueue",
    "after_perform",
    "aperform_all_later",
    "around_enqueue",
    "around_perform",
    "before_enqueue",
    "before_perform",
    "chain",
    "configure",
    "current_batch",
    "current_job",
    "discard_on",
    "enqueue",
    "enqueue_in",
    "events",
    "inspect",
    "job",
    "middleware",
    "on_cancel",
    "on_complete",
    "on_death",
    "on_error",
    "on_exhausted",
    "on_resume",
    "on_start",
    "on_stop",
    "perform_all_later",
    "propagate",
    "recurring",
    "register_serializer",
    "rescue_from",
    "retry_on",
    "run_worker",
    "stopping",
]

_HOMES: Final = {
    "BURY": "handlers",
    "Batch": "jobs.batches",
    "BatchInfo": "batching",
    "ClassMetrics": "inspection",
    "Concurrency": "jobs.limits",
    "DEFAULT": "handlers",
    "DISCARD": "handlers",
    "DayStats": "capabilities",
    "EmbeddedWorker": "worker",
    "FailedRun": "inspection",
    "Inspector": "inspection",
    "Job": "jobs",
    "JobInfo": "inspection",
    "JobOptions": "jobs",
    "LimitInfo": "capabilities",
    "Middleware": "middleware",
    "MinuteStats": "measures",
    "Page": "inspection",
    "Progress": "inspection",
    "QueueInfo": "capabilities",
    "Rate": "jobs.limits",
    "RecurringInfo": "entries",
    "RecurringRun": "entries",
    "Stats": "capabilities",
    "Step": "steps",
    "TimeBucket": "inspection",
    "Unique": "jobs.unique",
    "WorkerInfo": "capabilities",
    "aenqueue": "jobs",
    "after_discard": "callbacks",
    "after_enqueue": "callbacks",
    "after_perform": "callbacks",
    "aperform_all_later": "jobs",
    "around_enqueue": "callbacks",
    "around_perform": "callbacks",
    "before_enqueue": "callbacks",
    "before_perform": "callbacks",
    "chain": "jobs.chains",
    "configure": "settings",
    "current_batch": "jobs.batches",
    "current_job": "jobs",
    "discard_on": "handlers",
    "enqueue": "jobs",
    "enqueue_in": "transactions",
    "inspect": "inspection",
    "job": "jobs",
    "on_cancel": "callbacks",
    "on_complete": "callbacks",
    "on_death": "middleware",
    "on_error": "middleware",
    "on_exhausted": "callbacks",
    "on_resume": "callbacks",
    "on_start": "callbacks",
    "on_stop": "callbacks",
    "perform_all_later": "jobs",
    "propagate": "propagation",
    "recurring": "entries.recurring",
    "register_serializer": "arguments",
    "rescue_from": "handlers",
    "retry_on": "handlers",
    "run_worker": "worker",
    "stopping": "holding",
}
"""The module of each name but the errors, loaded at first use: a program pays for what it uses.

A supervisor, for one, declares and runs no job.
"""

_OTHERWISE: Final = {"stopping": "is_stopping"}
"""What a name is called where it is at home."""

_MODULES: Final = {
    "adapter",
    "arguments",
    "backends",
    "callbacks",
    "capabilities",
    "clock",
    "encryption",
    "events",
    "execution",
    "handlers",
    "jobs",
    "middleware",
    "outcome",
    "payload",
    "propagation",
    "settings",
    "settlement",
    "transactions",
}
"""Modules that are reached as `jobkit.NAME` by whoever imports jobkit alone."""


_loading: Final = RLock()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Threads that load a package and a module of it at once would each wait for the other, and be
    # given half of it. Only for these names: a module that is being loaded asks for the others.
    with _loading:
        home = import_module(f"{__name__}.{_HOMES[name]}")
        value = globals()[name] = getattr(home, _OTHERWISE.get(name, name))  # which may load more
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
