"""Background jobs for Python: one way to declare a job, any store behind it.

from jobkit import Job, retry_on

@retry_on(ConnectionError, wait="polynomially_longer")
class WelcomeEmail(Job, queue="mailers"):
    def perform(self, user_id: int) -> None: ...

WelcomeEmail.perform_later(1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jobkit import events, middleware
from jobkit.arguments import register_serializer
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
from jobkit.execution import is_stopping as stopping
from jobkit.handlers import BURY, DEFAULT, DISCARD, discard_on, rescue_from, retry_on
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
from jobkit.middleware import Middleware, on_death, on_error
from jobkit.propagation import propagate
from jobkit.settings import configure
from jobkit.transactions import enqueue_in

if TYPE_CHECKING:
    from jobkit.batching import BatchInfo
    from jobkit.entries import RecurringInfo, RecurringRun
    from jobkit.entries.recurring import recurring
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
    from jobkit.jobs.batches import Batch, current_batch
    from jobkit.jobs.chains import chain
    from jobkit.jobs.limits import Concurrency, Rate
    from jobkit.jobs.unique import Unique
    from jobkit.measures import MinuteStats
    from jobkit.steps import Step
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


_LATER: Final = {
    "Batch": "jobkit.jobs.batches",
    "BatchInfo": "jobkit.batching",
    "ClassMetrics": "jobkit.inspection",
    "Concurrency": "jobkit.jobs.limits",
    "EmbeddedWorker": "jobkit.worker",
    "FailedRun": "jobkit.inspection",
    "Inspector": "jobkit.inspection",
    "JobInfo": "jobkit.inspection",
    "MinuteStats": "jobkit.measures",
    "Page": "jobkit.inspection",
    "Progress": "jobkit.inspection",
    "Rate": "jobkit.jobs.limits",
    "RecurringInfo": "jobkit.entries",
    "RecurringRun": "jobkit.entries",
    "Step": "jobkit.steps",
    "TimeBucket": "jobkit.inspection",
    "Unique": "jobkit.jobs.unique",
    "chain": "jobkit.jobs.chains",
    "current_batch": "jobkit.jobs.batches",
    "inspect": "jobkit.inspection",
    "recurring": "jobkit.entries",
    "run_worker": "jobkit.worker",
}
"""Names whose modules are loaded at first use, so that importing jobkit stays quick."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
