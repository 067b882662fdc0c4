"""The backend: Django's tasks, stored and run by jobkit."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

import jobkit
from jobkit import backends
from jobkit.contrib.django.tasks.declared import JobkitTask, check_options, job_class_of
from jobkit.contrib.django.tasks.flavour import (
    BaseTaskBackend,
    InvalidTask,
    TaskResultDoesNotExist,
    normalize_json,
    task_enqueued,
)
from jobkit.contrib.django.tasks.results import changed, enqueued_result, stored_result
from jobkit.errors import JobkitError, UnknownJob
from jobkit.jobs import enqueueing, registry
from jobkit.jobs.kept import kept

__all__ = ["JobkitBackend"]


class JobkitBackend(BaseTaskBackend):  # type: ignore[misc] # of whichever package is there
    """Django's tasks as jobs, each of a class named after its function.

        TASKS = {
            "default": {
                "BACKEND": "jobkit.contrib.django.JobkitBackend",
                "QUEUES": ["default", "mailers"],
                "OPTIONS": {"retry": 5, "enqueue_on_commit": "default"},
            }
        }

    OPTIONS: `backend`, the name of jobkit's backend; `enqueue_on_commit`, the database whose
    transaction is to be committed before a task is stored; and options of a job, for all tasks
    that do not give them: `@task(retry=3, timeout=60)` where the decorator takes more than Django's
    own. `@retry_on` and `@discard_on` go above `@task`. A high priority runs sooner, as Django
    says.
    """

    task_class = JobkitTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        options = dict(self.options)
        self._backend = options.pop("backend", "default")
        self._commit_of: str | None = options.pop("enqueue_on_commit", None)
        self._job_options = options
        try:
            check_options(options, f"OPTIONS of TASKS[{alias!r}]")
        except TypeError as error:
            raise ImproperlyConfigured(str(error)) from error

    def validate_task(self, task: Any) -> None:
        """Refuse what cannot be run, and make what can be known to workers."""
        super().validate_task(task)
        try:
            job_class_of(task, self._job_options)
        except (TypeError, ValueError) as error:
            raise InvalidTask(str(error)) from error

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Store a job for the task; what Django cannot keep as JSON is a TypeError."""
        self.validate_task(task)
        _bind(task, args, kwargs)
        job = self._job(task, normalize_json(list(args)), normalize_json(dict(kwargs)))
        store = partial(enqueueing.store, job)
        if self._commit_of is None:
            store()
        else:
            transaction.on_commit(store, using=self._commit_of)
        result = enqueued_result(job, task)
        task_enqueued.send(sender=type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """What became of a task, as long as its job is in the store, or its result is kept."""
        info = jobkit.inspect(self._backend).find(result_id)
        if info is None:
            raise TaskResultDoesNotExist(result_id)
        try:
            task = registry.lookup(info.job_class).task
        except (UnknownJob, AttributeError):
            raise TaskResultDoesNotExist(
                f"{result_id}: {info.job_class} is no task that was imported here"
            ) from None
        result = stored_result(info, task)
        if info.result is not None and info.result.outcome == "succeeded":
            # What the task returned, and not what pages may show of it.
            came_to = kept(backends.get(self._backend), result_id)
            changed(result, _return_value=came_to.told if came_to is not None else None)
        return result

    def check(self, **kwargs: Any) -> Iterable[checks.CheckMessage]:
        """Messages for Django's system checks."""
        yield from super().check(**kwargs)
        try:
            backends.get(self._backend)
        except JobkitError as error:
            yield checks.Error(f"TASKS[{self.alias!r}]: {error}", id="jobkit.E002")

    def _job(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        options: dict[str, Any] = {
            "queue": task.queue_name,
            "priority": -task.priority,
            "backend": self._backend,
        }
        if task.run_after is not None:
            options["wait_until"] = _aware(task.run_after)
        job_class: Any = job_class_of(task, self._job_options)
        return job_class.set(**options).new(*args, **kwargs)


def _bind(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raises TypeError, as a call would, for arguments that the function does not take."""
    context = (None,) if task.takes_context else ()
    try:
        inspect.signature(task.func).bind(*context, *args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{task.name}() {error}") from None


def _aware(moment: datetime) -> datetime:
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
