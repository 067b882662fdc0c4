"""Background jobs for Python: one way to declare a job, any store behind it.

from jobkit import Job, retry_on

@retry_on(ConnectionError, wait="polynomially_longer")
class WelcomeEmail(Job, queue="mailers"):
    def perform(self, user_id: int) -> None: ...

WelcomeEmail.perform_later(1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobkit.lazy import lazily

if TYPE_CHECKING:
    from jobkit import adapter as adapter
    from jobkit import arguments as arguments
    from jobkit import backends as backends
    from jobkit import callbacks as callbacks
    from jobkit import capabilities as capabilities
    from jobkit import clock as clock
    from jobkit import encryption as encryption
    from jobkit import errors as errors
    from jobkit import events, middleware
    from jobkit import execution as execution
    from jobkit import handlers as handlers
    from jobkit import jobs as jobs
    from jobkit import outcome as outcome
    from jobkit import payload as payload
    from jobkit import propagation as propagation
    from jobkit import settings as settings
    from jobkit import settlement as settlement
    from jobkit import transactions as transactions
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
    "arguments": ("register_serializer",),
    "batching": ("BatchInfo",),
    "callbacks": (
        "after_discard",
        "after_enqueue",
        "after_perform",
        "around_enqueue",
        "around_perform",
        "before_enqueue",
        "before_perform",
        "on_cancel",
        "on_complete",
        "on_exhausted",
        "on_resume",
        "on_start",
        "on_stop",
    ),
    "capabilities": ("DayStats", "LimitInfo", "QueueInfo", "Stats", "WorkerInfo"),
    "entries": ("RecurringInfo", "RecurringRun", "recurring"),
    "errors": (
        "Abort",
        "AdapterError",
        "BatchFinished",
        "BuryJob",
        "ConfigurationError",
        "DeserializationError",
        "DiscardJob",
        "DuplicateJob",
        "EnqueueError",
        "EnqueueUncertain",
        "Interrupted",
        "InvalidStep",
        "JobCancelled",
        "JobCrashed",
        "JobFailed",
        "JobkitError",
        "JobTimeout",
        "LeaseLost",
        "NoResult",
        "PayloadError",
        "PayloadTooLarge",
        "RecordNotFound",
        "ResumeLimitReached",
        "RetryJob",
        "SerializationError",
        "SettlementRefused",
        "SnoozeJob",
        "UnknownJob",
        "UnknownVersion",
        "Unsupported",
        "WorkerLost",
    ),
    "handlers": ("BURY", "DEFAULT", "DISCARD", "discard_on", "rescue_from", "retry_on"),
    "holding": ("is_stopping as stopping",),
    "inspection": (
        "ClassMetrics",
        "FailedRun",
        "Inspector",
        "JobInfo",
        "Page",
        "Progress",
        "TimeBucket",
        "inspect",
    ),
    "jobs": (
        "Job",
        "JobOptions",
        "aenqueue",
        "aperform_all_later",
        "current_job",
        "enqueue",
        "job",
        "perform_all_later",
    ),
    "jobs.batches": ("Batch", "current_batch"),
    "jobs.chains": ("chain",),
    "jobs.limits": ("Concurrency", "Rate"),
    "jobs.unique": ("Unique",),
    "measures": ("MinuteStats",),
    "middleware": ("Middleware", "on_death", "on_error"),
    "propagation": ("propagate",),
    "settings": ("configure",),
    "steps": ("Step",),
    "transactions": ("enqueue_in",),
    "worker": ("EmbeddedWorker", "run_worker"),
}
"""The names of each module."""

_MODULES: Final = (
    "adapter",
    "arguments",
    "backends",
    "callbacks",
    "capabilities",
    "clock",
    "encryption",
    "errors",
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
)
"""Modules that are reached as `jobkit.NAME` by whoever imports jobkit alone."""

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazily(__name__, _HOMES, modules=_MODULES)
