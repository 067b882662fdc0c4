"""Every error jobkit raises, as one tree.

JobkitError
├── ConfigurationError      a setting, file, URL or import is wrong
├── Unsupported             the adapter lacks the capability that was asked for
├── SerializationError      an argument cannot be stored
│   └── PayloadTooLarge
├── DeserializationError    stored arguments cannot be loaded
│   └── RecordNotFound
├── PayloadError            stored text is no job
├── UnknownJob              no class with a perform has the stored name
│   └── UnknownVersion      the class here is older than the stored arguments
├── EnqueueError            the store did not take the job
│   ├── BatchFinished       the batch takes no more members
│   ├── DuplicateJob        another unique job holds its place
│   └── EnqueueUncertain    the store may have taken it: the answer was lost
├── AdapterError            the store failed
│   ├── LeaseLost           the store has given this worker's jobs to others
│   └── SettlementRefused   the store works, and does not take what jobs became
├── WorkerLost              the job brought its process down too often
├── JobCrashed              the process of an isolated job died
├── JobFailed               the job whose result is waited for failed for good
├── NoResult                no result is there, and none will come
├── InvalidStep             a step is repeated, nested, out of order, or none at all
├── ResumeLimitReached      the job would be resumed more often than it may be
└── Control                 raised by jobs to say what should happen next
    ├── RetryJob, SnoozeJob, DiscardJob, BuryJob
    │   └── JobCancelled    not raised by jobs: the job was cancelled from outside
    └── Abort               stops a chain of callbacks

BaseException
├── JobTimeout              the job ran longer than its time limit
└── Interrupted             the job gives itself back because the worker stops
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from signal import Signals
from typing import Any, Self

__all__ = [
    "Abort",
    "AdapterError",
    "BatchFinished",
    "BuryJob",
    "ConfigurationError",
    "Control",
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
    "JobTimeout",
    "JobkitError",
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
]


class JobkitError(Exception):
    """Base of everything jobkit raises on purpose."""


class ConfigurationError(JobkitError):
    """A setting, configuration file, URL or import is wrong; the text says where and what to do."""


class Unsupported(JobkitError):
    """The adapter cannot do what was asked; the text names adapter and feature."""


class SerializationError(JobkitError, ValueError):
    """An argument cannot be stored; the text names job, argument, type and remedy."""


class PayloadTooLarge(SerializationError):
    """The payload is larger than the setting `max_payload` allows."""


class DeserializationError(JobkitError):
    """Stored arguments do not fit the job's `perform` any more."""


class RecordNotFound(DeserializationError):
    """A serializer's `load` found no record for the stored key."""


class PayloadError(JobkitError, ValueError):
    """The stored text is not a job: no JSON, or a field has the wrong shape."""


class UnknownJob(JobkitError, LookupError):
    """No class is registered under the name that the payload carries, or one without `perform`."""


class UnknownVersion(UnknownJob):
    """The arguments were stored by a newer version of the class than is here.

    The job is kept: it is retried by the default policy, whatever the class here would say, until
    a worker that has the newer class takes it.
    """


class EnqueueError(JobkitError):
    """The store did not take the job; the cause is chained."""


class BatchFinished(EnqueueError):
    """The batch has finished, was cancelled, or is gone: it takes no more members."""


class DuplicateJob(EnqueueError):
    """A unique job with `on_conflict="raise"` was not stored, nor any other of its call.

    `winner` is the id of the job that is.
    """

    def __init__(self, message: str, winner: str = "") -> None:
        super().__init__(message)
        self.winner = winner


class EnqueueUncertain(EnqueueError):
    """The answer was lost after the job was sent: it may or may not be stored.

    With an idempotency key the same call may simply be repeated.
    """

    def __init__(self, message: str, job_id: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id


class AdapterError(JobkitError):
    """The store failed or could not be reached; the driver's error is chained."""


class LeaseLost(AdapterError):
    """The worker is not registered (any more): what it held belongs to others."""


class SettlementRefused(AdapterError):
    """The store works, and refuses settlements for their own sake: trying again cannot help.

    All others of the batch were applied. `refused` holds the settlements that were not, in their
    order, whose claims are still held; `stale` the claims that were no longer held, as `settle`
    would have returned them. The driver's error for the first one is chained.
    """

    def __init__(
        self, message: str, *, refused: Sequence[Any] = (), stale: Sequence[Any] = ()
    ) -> None:
        super().__init__(message)
        self.refused: tuple[Any, ...] = tuple(refused)
        self.stale: tuple[Any, ...] = tuple(stale)


class WorkerLost(JobkitError):
    """The job's process died while it ran, as often as a job may do that."""


class JobCrashed(JobkitError):
    """The process that an isolated job had for itself ended before the job did.

    `exit_code` is what it exited with, `signal` the name of the signal that killed it; one of them
    is None, or both when it never ran.
    """

    def __init__(
        self, message: str, *, exit_code: int | None = None, signal: str | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.signal = signal

    @classmethod
    def of_code(cls, code: int) -> Self:
        """From an exit code, or minus the number of a signal."""
        if code >= 0:
            return cls(f"its process exited with code {code} before it had ended", exit_code=code)
        try:
            name = Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return cls(f"its process was killed by {name}", signal=name)


class JobFailed(JobkitError):
    """The job whose result was asked for failed for good, by this error.

    `error_class` is its name, never the class itself: that may not be here.
    """

    def __init__(self, message: str, *, error_class: str = "", error_message: str = "") -> None:
        super().__init__(message)
        self.error_class = error_class
        self.error_message = error_message


class NoResult(JobkitError):
    """The job whose result was asked for has none: the text says why."""


class InvalidStep(JobkitError):
    """A step that cannot be: repeated, inside of another, out of order, no name or no function."""


class ResumeLimitReached(JobkitError):
    """The job would be resumed more often than its `max_resumptions`; the cause is chained."""


class Control(JobkitError):
    """Base of what a job raises to say what should happen to it."""


class RetryJob(Control):
    """Run the job again after `wait` (seconds or timedelta; default: by its retry policy)."""

    def __init__(
        self,
        wait: float | timedelta | None = None,
        queue: str | None = None,
        priority: int | None = None,
    ) -> None:
        super().__init__("asked to be retried")
        self.wait = wait
        self.queue = queue
        self.priority = priority


class SnoozeJob(Control):
    """Run the job again after `wait` (seconds or timedelta) without counting this run."""

    def __init__(self, wait: float | timedelta) -> None:
        super().__init__("asked to be snoozed")
        self.wait = wait


class DiscardJob(Control):
    """Drop the job for good, on purpose."""

    def __init__(self, reason: str = "discarded by the job") -> None:
        super().__init__(reason)
        self.reason = reason


class JobCancelled(DiscardJob):
    """The job was cancelled from outside: what `after_discard` is told."""

    def __init__(self, reason: str = "cancelled") -> None:
        super().__init__(reason)


class BuryJob(Control):
    """Put the job into the dead set at once."""

    def __init__(self, reason: str = "buried by the job") -> None:
        super().__init__(reason)
        self.reason = reason


class Abort(Control):
    """Raised in a `before_…` callback: nothing that follows in the chain happens."""


class JobTimeout(BaseException):
    """The job ran longer than its `timeout`.

    Not an `Exception`, so that `except Exception` in a job does not swallow it; it is a failure
    of the job like any other all the same.
    """


class Interrupted(BaseException):
    """Raised by a job that saw `self.stopping`: back to the head of its queue, uncharged.

    Raised by the checkpoints of steps, too: the job goes on at its cursor.
    """
