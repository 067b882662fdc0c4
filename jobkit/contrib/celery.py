"""Tasks spelled as Celery's: a way to move hundreds of them without touching each.

    @shared_task(bind=True, queue="mailers", autoretry_for=(ConnectionError,), max_retries=3)
    def welcome(self, user_id): ...

    welcome.delay(1)
    welcome.apply_async((1,), countdown=60, queue="low")

Behind that is a job function. Write new jobs as classes, or with `@jobkit.job`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn, overload

from jobkit import Job, RetryJob, current_job, job, retry_on
from jobkit.jobs.function import FunctionJob
from jobkit.settings import nearest

__all__ = ["Request", "Task", "shared_task"]

_RETRIES: Final = 3
_COUNTDOWN: Final = 180
"""Celery's own defaults: `max_retries`, and the seconds of `default_retry_delay`."""

_OPTIONS: Final = frozenset({
    "name", "bind", "queue", "priority", "expires", "time_limit", "soft_time_limit",
    "max_retries", "default_retry_delay", "autoretry_for", "retry_backoff", "retry_backoff_max",
    "retry_jitter", "retry_kwargs", "ignore_result", "acks_late", "track_started", "serializer",
})  # fmt: skip
"""What a declaration may say. The last ones are heard and need nothing: jobs are kept as Celery
keeps them with `acks_late`, as JSON, and have no result unless their class asks for one."""


class Request:
    """What `self.request` tells inside of a bound task."""

    def __init__(self, running: Job) -> None:
        self.id = running.id
        self.retries = running.executions - 1
        self.args = running.args
        self.kwargs = running.kwargs
        self.delivery_info = {"routing_key": running.queue}


class Task:
    """A function with `delay` and `apply_async`; called, it is the function."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._function = function
        self.bound = bool(options.get("bind"))
        self._max_retries: int | None = options.get("max_retries", _RETRIES)
        self._delay: float = options.get("default_retry_delay", _COUNTDOWN)
        self.job = _job_of(self, function, options)
        self.name = options.get("name") or f"{function.__module__}.{function.__qualname__}"
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, here and now."""
        return (
            self._function(self, *args, **kwargs) if self.bound else self._function(*args, **kwargs)
        )

    def delay(self, *args: Any, **kwargs: Any) -> Job:
        """Store a job and return it; its `id` is the task's."""
        return self.job.perform_later(*args, **kwargs)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | timedelta | None = None,
        queue: str | None = None,
        priority: int | None = None,
        task_id: str | None = None,
    ) -> Job:
        """Store a job with options of this call. `task_id` makes equal calls one job."""
        options = {
            "wait": countdown,
            "wait_until": eta,
            "expires_in": expires,
            "queue": queue,
            "priority": priority,
            "idempotency_key": task_id,
        }
        given: Any = {name: value for name, value in options.items() if value is not None}
        return self.job.set(**given).perform_later(*args, **(kwargs or {}))

    @property
    def request(self) -> Request:
        """The run that is going on. Raises RuntimeError outside of one."""
        running = current_job()
        if running is None:
            raise RuntimeError(f"{self.name}.request: no task runs here")
        return Request(running)

    def retry(
        self, exc: BaseException | None = None, *, countdown: float | None = None, **options: Any
    ) -> NoReturn:
        """Have the running task run again, unless its retries are used up: then `exc` is raised."""
        most = options.pop("max_retries", self._max_retries)
        _refuse(options, f"{self.name}.retry()")
        if most is not None and self.request.retries >= most:
            raise exc or RuntimeError(f"{self.name} was retried {most} times")
        raise RetryJob(wait=self._delay if countdown is None else countdown) from exc


@overload
def shared_task(function: Callable[..., Any], /) -> Task: ...
@overload
def shared_task(**options: Any) -> Callable[[Callable[..., Any]], Task]: ...
def shared_task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Over a function: a task, by Celery's options. One that has no meaning is a TypeError."""
    unknown = {name: value for name, value in options.items() if name not in _OPTIONS}
    _refuse(unknown, "shared_task()")
    if function is not None:
        return Task(function, options)
    return functools.partial(Task, options=options)


def _refuse(unknown: Mapping[str, Any], where: str) -> None:
    for name in unknown:
        raise TypeError(
            f"{where} knows no option {name!r}, the nearest is {nearest(name, _OPTIONS)!r}: write "
            "what it cannot say as a job of jobkit's own"
        )


def _job_of(
    task: Task, function: Callable[..., Any], options: Mapping[str, Any]
) -> FunctionJob[..., Any]:
    given: dict[str, Any] = {
        "name": options.get("name"),
        "queue": options.get("queue"),
        "priority": options.get("priority"),
        "expires_in": options.get("expires"),
        "timeout": options.get("soft_time_limit") or options.get("time_limit"),
    }
    # An error that nobody answers for ends the task, as in Celery; here it is kept.
    chosen: Any = {
        "retry": 0,
        **{name: value for name, value in given.items() if value is not None},
    }
    made: FunctionJob[..., Any] = job(**chosen)(_called_by(task, function))
    if errors := tuple(options.get("autoretry_for", ())):
        jitter = 0.15 if options.get("retry_jitter", True) else 0.0
        retry_on(*errors, wait=_wait(options), attempts=_attempts(options), jitter=jitter)(made)
    return made


def _called_by(task: Task, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, less the parameter that a bound task fills itself."""
    if not task.bound:
        return function

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return task.run(*args, **kwargs)

    del called.__wrapped__  # whose first parameter nobody passes
    called.__signature__ = _less_self(function)  # type: ignore[attr-defined] # a function may have one
    return called


def _less_self(function: Callable[..., Any]) -> inspect.Signature:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # of what is imported for type checkers only
        signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _attempts(options: Mapping[str, Any]) -> int | None:
    retries = options.get("retry_kwargs", {}).get(
        "max_retries", options.get("max_retries", _RETRIES)
    )
    return None if retries is None else retries + 1


def _wait(options: Mapping[str, Any]) -> Any:
    factor = options.get("retry_backoff", False)
    most = options.get("retry_backoff_max", 600)
    if factor:
        return lambda failures: min(int(factor) * 2 ** (failures - 1), most)
    return options.get("default_retry_delay", _COUNTDOWN)
