"""Tasks as they are declared: with a job's options, and a job class for each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import field, make_dataclass
from typing import Any, Final, cast

from jobkit.contrib.django.tasks.flavour import Task
from jobkit.contrib.django.tasks.running import AsyncTaskJob, TaskJob
from jobkit.handlers import Rule
from jobkit.jobs.options import JobOptions, refuse_unknown

__all__ = ["JobkitTask", "check_options", "job_class_of"]

_SAID_BY_TASKS: Final = frozenset({"name", "queue", "priority", "aliases", "version", "backend"})
OPTIONS: Final = tuple(sorted(JobOptions.__annotations__.keys() - _SAID_BY_TASKS))
"""The options of a job that a task may have."""

_classes: dict[str, type[TaskJob]] = {}


class _NotGiven:
    def __repr__(self) -> str:
        return "NOT_GIVEN"


_NOT_GIVEN: Final = _NotGiven()


def _declare(self: Any, rule: Rule) -> None:
    job_class_of(self).__jobkit_declare__(rule)


JobkitTask: Any = make_dataclass(
    "JobkitTask",
    [(name, Any, field(default=_NOT_GIVEN, repr=False)) for name in OPTIONS],
    bases=(Task,),
    namespace={
        "__doc__": "A task with the options of a job: `@task(retry=5, timeout=60)`.",
        "__module__": __name__,
        "__jobkit_declare__": _declare,
    },
    frozen=True,
    kw_only=True,
    slots=True,
)


def check_options(options: Mapping[str, Any], owner: str) -> None:
    """Raises TypeError for a name that is no option of a task's job."""
    refuse_unknown(options, dict.fromkeys(OPTIONS), owner)


def job_class_of(task: Any, defaults: Mapping[str, Any] | None = None) -> type[TaskJob]:
    """The job class that stands for the task's function, made when it is first asked for.

    Named by the function's path, it is what a stored job is run by: no name in a payload is ever
    imported. `defaults` are options that the task does not give itself. Raises TypeError or
    ValueError for a wrong option.
    """
    known = _classes.get(task.module_path)
    if known is None or known.task.func is not task.func:
        known = _classes[task.module_path] = _made(task, defaults or {})
    return known


def _made(task: Any, defaults: Mapping[str, Any]) -> type[TaskJob]:
    function: Callable[..., Any] = task.func
    base = AsyncTaskJob if inspect.iscoroutinefunction(function) else TaskJob
    members = {
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        "task": task,
    }
    options = {"name": task.module_path, **defaults, **_given(task)}
    if options.get("encrypt"):
        options.setdefault("store_result", None)  # there it would lie for everybody to read
    return cast("type[TaskJob]", type(function.__name__, (base,), members, **options))


def _given(task: Any) -> dict[str, Any]:
    values = {name: getattr(task, name, _NOT_GIVEN) for name in OPTIONS}
    return {name: value for name, value in values.items() if value is not _NOT_GIVEN}
