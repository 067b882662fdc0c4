"""Django's own Tasks (6.0 and later), or the package that brought them to Django 5.

The two have the same shapes and different classes. A project uses one of them: the package where
it is an installed application or Django has none of its own.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

__all__ = [
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "normalize_json",
    "task_enqueued",
    "task_finished",
    "task_started",
]


def _package() -> str:
    if "django_tasks" in settings.INSTALLED_APPS:
        return "django_tasks"
    for name in ("django.tasks", "django_tasks"):
        if find_spec(name) is not None:
            return name
    raise ImproperlyConfigured(
        "there are no Tasks to be the backend of: use Django 6, or pip install django-tasks"
    )


_name = _package()
_base: Any = import_module(f"{_name}.base")
_errors: Any = import_module(f"{_name}.exceptions")
_signals: Any = import_module(f"{_name}.signals")
_json: Any = import_module("django.utils.json" if _name == "django.tasks" else f"{_name}.utils")

BaseTaskBackend: Any = import_module(f"{_name}.backends.base").BaseTaskBackend
Task: Any = _base.Task
TaskContext: Any = _base.TaskContext
TaskError: Any = _base.TaskError
TaskResult: Any = _base.TaskResult
TaskResultStatus: Any = _base.TaskResultStatus
InvalidTask: Any = getattr(_errors, "InvalidTask", None) or _errors.InvalidTaskError
TaskResultDoesNotExist: Any = _errors.TaskResultDoesNotExist
normalize_json: Any = _json.normalize_json
task_enqueued: Any = _signals.task_enqueued
task_started: Any = _signals.task_started
task_finished: Any = _signals.task_finished
