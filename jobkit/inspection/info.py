"""A stored job as users see it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, assert_never

from jobkit.adapter import State
from jobkit.arguments import REDACTED
from jobkit.capabilities import StoredJob
from jobkit.clock import as_datetime
from jobkit.errors import PayloadError
from jobkit.failure import unpacked
from jobkit.jobs.stored import is_private, shown_arguments
from jobkit.payload import Payload

if TYPE_CHECKING:
    from jobkit.jobs.kept import Kept

__all__ = [
    "FailedRun",
    "JobInfo",
    "JobResult",
    "Page",
    "Progress",
    "ended_info",
    "info_of",
]

_WAITING: Final = frozenset({State.SCHEDULED, State.RETRY})


@dataclass(frozen=True, slots=True)
class FailedRun:
    """One of a job's last failures; the message is cut."""

    at: datetime | None
    error_class: str
    error_message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job said it is: `done` of `total`, which is None if it did not say."""

    done: float
    total: float | None
    note: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job of a class with `store_result` came to, as long as it is kept.

    `outcome` is succeeded, failed or discarded; `value` is what `perform` returned, and `reason`
    says why there is none. The last run took `seconds`, None if there was none.
    """

    outcome: str
    value: Any
    reason: str
    ended_at: datetime
    seconds: float | None


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A stored job. Times are UTC; `scheduled_at` is when it is or was due.

    `at` is since when it is where it is: when a waiting one is due, an enqueued one became so, a
    running one was claimed, a dead one died, a completed one ended. `history` has its last
    failures, oldest first, five at most. Both are for pages: as JSON a job has the others alone.

    `progress` is what the job told of itself last, `steps` are those that are done and the one
    that is under way. `result` is what it came to.

    Safe to be shown: arguments that their class redacts read `[redacted]`, and so does the result
    of such a job; all of an encrypted job reads `[encrypted]`. What the job's own error says is
    the job's affair.

    Text that is no job is shown all the same: `job_class` is empty, `args` holds the text alone,
    and the error says what is wrong with it.
    """

    id: str
    job_class: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    priority: int
    state: State
    created_at: datetime | None
    enqueued_at: datetime | None
    scheduled_at: datetime | None
    executions: int
    error_class: str | None
    error_message: str | None
    error_backtrace: tuple[str, ...]
    tags: tuple[str, ...]
    worker: str | None
    progress: Progress | None = field(default=None, metadata={"only_if_true": True})
    steps: tuple[str, ...] = field(default=(), metadata={"only_if_true": True})
    result: JobResult | None = field(default=None, metadata={"only_if_true": True})
    at: datetime | None = field(default=None, compare=False, repr=False)
    history: tuple[FailedRun, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of jobs; `next` is the cursor of the page behind it, None at the end."""

    items: list[JobInfo]
    next: str | None


def info_of(stored: StoredJob) -> JobInfo:
    """The stored job, readable or not."""
    try:
        return _readable(stored, stored.payload)
    except (ValueError, OverflowError, OSError) as error:  # PayloadError, and times beyond any year
        return _unreadable(stored, error)


def ended_info(stored: StoredJob | None, kept: Kept) -> JobInfo | None:
    """A job that has ended, with its result; None for one that is nowhere any more."""
    if stored is not None and stored.state is State.DEAD:
        if kept.kind != "failed":  # of a job with the same id, before this one
            return info_of(stored)
        return replace(info_of(stored), result=_result(kept, stored.payload))
    if kept.payload is None:
        return None if stored is None else info_of(stored)
    ended = StoredJob(kept.payload, State.COMPLETED, "", kept.at)
    return replace(info_of(ended), result=_result(kept, kept.payload))


def _result(kept: Kept, payload: Payload) -> JobResult:
    ended_at = as_datetime(kept.at)
    match kept.kind:
        case "value":
            value = REDACTED if is_private(payload) else kept.told
            return JobResult("succeeded", value, "", ended_at, kept.took)
        case "lost":
            reason = f"what perform returned is no JSON: {kept.told}"
            return JobResult("succeeded", None, reason, ended_at, kept.took)
        case "failed":
            return JobResult("failed", None, ": ".join(kept.told), ended_at, kept.took)
        case "discarded":
            return JobResult("discarded", None, kept.told, ended_at, kept.took)
        case _:
            assert_never(kept.kind)


def _readable(stored: StoredJob, payload: Payload) -> JobInfo:
    args, kwargs = shown_arguments(payload)
    return JobInfo(
        id=stored.id or payload.id,
        job_class=payload.job_class,
        args=args,
        kwargs=kwargs,
        queue=payload.queue,
        priority=payload.priority,
        state=stored.state,
        created_at=_datetime(payload.created_at),
        enqueued_at=_datetime(payload.enqueued_at),
        scheduled_at=_datetime(stored.at if stored.state in _WAITING else payload.scheduled_at),
        executions=payload.executions,
        error_class=_text(payload, "error_class"),
        error_message=_text(payload, "error_message"),
        error_backtrace=unpacked(payload.fields.get("error_backtrace")),
        tags=payload.tags,
        worker=stored.worker,
        progress=_progress(payload),
        steps=_steps(payload),
        at=_datetime(stored.at or None),
        history=_history(payload),
    )


def _unreadable(stored: StoredJob, error: Exception) -> JobInfo:
    return JobInfo(
        id=stored.id or _id(stored.payload),
        job_class="",
        args=[REDACTED if is_private(stored.payload) else stored.payload.text],
        kwargs={},
        queue="",
        priority=0,
        state=stored.state,
        created_at=None,
        enqueued_at=None,
        scheduled_at=None,
        executions=0,
        error_class=type(error).__name__,
        error_message=str(error),
        error_backtrace=(),
        tags=(),
        worker=stored.worker,
        at=_moment(stored.at),
    )


def _id(payload: Payload) -> str:
    try:
        return payload.id
    except PayloadError:
        return ""


def _progress(payload: Payload) -> Progress | None:
    told = payload.fields.get("progress")
    if not isinstance(told, dict) or not isinstance(told.get("done"), int | float):
        return None
    total = told.get("total")
    known = total if isinstance(total, int | float) else None
    return Progress(told["done"], known, str(told.get("note", "")))


def _steps(payload: Payload) -> tuple[str, ...]:
    told = payload.fields.get("steps")
    if not isinstance(told, dict):
        return ()
    done = told.get("done", [])
    names = [*done, told.get("at")] if isinstance(done, list) else []
    return tuple(name for name in names if isinstance(name, str))


def _history(payload: Payload) -> tuple[FailedRun, ...]:
    """What is written there by us; whatever else stands in its place is passed over."""
    written = payload.fields.get("history")
    entries = written if isinstance(written, list) else []
    return tuple(
        FailedRun(
            _moment(entry.get("at")),
            str(entry.get("error_class", "")),
            str(entry.get("error_message", "")),
        )
        for entry in entries
        if isinstance(entry, dict)
    )


def _moment(value: object) -> datetime | None:
    """A time that may be anything."""
    try:
        return as_datetime(value) if isinstance(value, int | float) and value else None
    except (ValueError, OverflowError, OSError):
        return None


def _datetime(epoch: float | None) -> datetime | None:
    return None if epoch is None else as_datetime(epoch)


def _text(payload: Payload, name: str) -> str | None:
    value = payload.fields.get(name)
    return value if isinstance(value, str) else None
