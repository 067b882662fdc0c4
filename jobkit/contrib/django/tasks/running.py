"""Running a task as a job: its context, its signals, its result."""

from __future__ import annotations

from traceback import format_exception
from typing import Any, ClassVar, Final

from django.utils import timezone

from jobkit.callbacks import after_discard
from jobkit.contrib.django.tasks.flavour import (
    TaskContext,
    TaskError,
    TaskResultStatus,
    normalize_json,
    task_finished,
    task_started,
)
from jobkit.contrib.django.tasks.results import changed, running_result
from jobkit.jobs import Job

__all__ = ["AsyncTaskJob", "TaskJob"]

KEPT: Final = 86_400.0
"""Seconds that the result of a task can be read, unless it says otherwise."""


class TaskJob(Job, name="jobkit.contrib.django.TaskJob", store_result=KEPT):
    """The job that calls a task's function; one class for each task."""

    task: ClassVar[Any]

    def perform(self, /, *args: Any, **kwargs: Any) -> Any:
        result = self._started()
        return self._succeeded(result, self.task.func(*self._context(result), *args, **kwargs))

    @after_discard
    def tell_that_it_failed(self, error: BaseException) -> None:
        """Tell of the end of a task that ended without success, for good."""
        kind = type(error)
        path = f"{kind.__module__}.{kind.__qualname__}"
        result = running_result(self, self.task)
        result.errors.append(
            TaskError(exception_class_path=path, traceback="".join(format_exception(error)))
        )
        self._finished(result, TaskResultStatus.FAILED)

    def _started(self) -> Any:
        result = running_result(self, self.task)
        task_started.send(sender=self._sender(), task_result=result)
        return result

    def _context(self, result: Any) -> tuple[Any, ...]:
        return (TaskContext(task_result=result),) if self.task.takes_context else ()

    def _succeeded(self, result: Any, value: Any) -> Any:
        value = normalize_json(value)
        changed(result, _return_value=value)
        self._finished(result, TaskResultStatus.SUCCESSFUL)
        return value

    def _finished(self, result: Any, status: Any) -> None:
        changed(result, status=status, finished_at=timezone.now())
        task_finished.send(sender=self._sender(), task_result=result)

    def _sender(self) -> Any:
        return type(self.task.get_backend())


class AsyncTaskJob(TaskJob, name="jobkit.contrib.django.AsyncTaskJob"):
    """The same for a coroutine function, on the worker's event loop."""

    async def perform(self, /, *args: Any, **kwargs: Any) -> Any:
        result = self._started()
        value = await self.task.func(*self._context(result), *args, **kwargs)
        return self._succeeded(result, value)
