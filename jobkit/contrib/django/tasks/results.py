"""Stored and running jobs as Django's task results."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from jobkit.adapter import State
from jobkit.contrib.django.tasks.flavour import (
    InvalidTask,
    TaskError,
    TaskResult,
    TaskResultStatus,
)
from jobkit.inspection import JobInfo

__all__ = ["changed", "enqueued_result", "running_result", "stored_result"]

_STATUS: Final = {
    State.RUNNING: TaskResultStatus.RUNNING,
    State.DEAD: TaskResultStatus.FAILED,
    State.COMPLETED: TaskResultStatus.SUCCESSFUL,
}
"""Of every other state: READY, to run now or later."""

_OVER: Final = frozenset({State.DEAD, State.COMPLETED})


def enqueued_result(job: Any, task: Any) -> Any:
    """Of a job that was just enqueued."""
    return _result(
        job, task, TaskResultStatus.READY, enqueued_at=_local(job.enqueued_at or job.created_at)
    )


def running_result(job: Any, task: Any) -> Any:
    """Of a job that runs here."""
    now = timezone.now()
    earlier = _errors(job._payload.fields.get("history")) if job._payload else []
    return _result(
        job,
        task,
        TaskResultStatus.RUNNING,
        enqueued_at=_local(job.enqueued_at),
        started_at=now,
        last_attempted_at=now,
        errors=earlier,
        worker_ids=_attempts(job.executions, f"{socket.gethostname()}:{os.getpid()}"),
    )


def stored_result(info: JobInfo, task: Any) -> Any:
    """Of a job in the store, or of one that has ended and whose result is kept."""
    started_at = _local(_started_at(info))
    return _result(
        info,
        _as_enqueued(task, info),
        _status(info),
        enqueued_at=_local(info.enqueued_at or info.created_at),
        started_at=started_at,
        last_attempted_at=started_at,
        finished_at=_local(info.at) if info.state in _OVER else None,
        errors=_last_error(info),
        worker_ids=_attempts(info.executions + (info.state is State.RUNNING), info.worker or ""),
    )


def _status(info: JobInfo) -> Any:
    if info.result is not None and info.result.outcome != "succeeded":
        return TaskResultStatus.FAILED
    return _STATUS.get(info.state, TaskResultStatus.READY)


def _started_at(info: JobInfo) -> datetime | None:
    """When the last run did, as far as that is known."""
    if info.state is State.RUNNING:
        return info.at
    if info.result is None or info.result.seconds is None:
        return None
    return info.result.ended_at - timedelta(seconds=info.result.seconds)


def changed(result: Any, **values: Any) -> Any:
    """The same result, which is frozen for everybody but its backend, with these values."""
    for name, value in values.items():
        object.__setattr__(result, name, value)
    return result


def _result(job: Any, task: Any, status: Any, **known: Any) -> Any:
    unknown = dict.fromkeys(("enqueued_at", "started_at", "finished_at", "last_attempted_at"))
    return TaskResult(
        task=task,
        id=job.id,
        status=status,
        args=job.args,
        kwargs=job.kwargs,
        backend=task.backend,
        **{**unknown, "errors": [], "worker_ids": [], **known},
    )


def _as_enqueued(task: Any, info: JobInfo) -> Any:
    """The task with what was chosen when it was enqueued, as far as it still is allowed."""
    try:
        return task.using(
            priority=-info.priority,
            queue_name=info.queue,
            run_after=_local(info.scheduled_at) if info.state is State.SCHEDULED else None,
        )
    except InvalidTask:
        return task


def _attempts(count: int, worker: str) -> list[str]:
    """A name for each attempt; which worker the earlier ones had is not kept."""
    return ["" for _ in range(count - 1)] + [worker] if count else []


def _last_error(info: JobInfo) -> list[Any]:
    if info.error_class is None:
        return []
    lines = (*info.error_backtrace, f"{info.error_class}: {info.error_message or ''}")
    return [_error(info.error_class, lines)]


def _errors(history: object) -> list[Any]:
    """The failures that the payload remembers."""
    entries = history if isinstance(history, list) else []
    return [
        _error(str(entry.get("error_class")), [str(entry.get("error_message"))])
        for entry in entries
        if isinstance(entry, dict)
    ]


def _error(name: str, lines: Sequence[str]) -> Any:
    path = name if "." in name else f"builtins.{name}"
    return TaskError(exception_class_path=path, traceback="\n".join(lines))


def _local(moment: datetime | None) -> datetime | None:
    """The moment as Django's settings want it: aware, or naive in the default zone."""
    if moment is None or timezone.is_aware(timezone.now()):
        return moment
    return timezone.make_naive(moment)
