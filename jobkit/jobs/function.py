"""Functions as jobs: the decorator `@job`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload

from jobkit.handlers import Rule, rules_of
from jobkit.jobs.base import Job
from jobkit.jobs.options import JobOptions
from jobkit.jobs.plan import FUNCTION, OWN_RULES
from jobkit.jobs.registry import importable_name
from jobkit.jobs.verbs import Configured, Performs

__all__ = ["FunctionJob", "job"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
U = TypeVar("U", bound=Callable[..., Any])


class FunctionJob(Configured[P, R_co, Job]):
    """What `@job` makes of a function: still callable as it was, with the verbs of a job."""

    def __init__(self, function: Callable[P, R_co], options: JobOptions) -> None:
        made = _class_of(function, options)
        super().__init__(cast("type[Performs[P, R_co, Job]]", made))
        self.job_class: type[Job] = made
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self._function(*args, **kwargs)

    def upgrade(self, translate: U) -> U:
        """Over a function `(args, kwargs, version)`: it stands in for `Job.upgrade`.

        @job(version=2)
        def welcome(user_id: int, *, locale: str) -> None: ...

        @welcome.upgrade
        def _(args, kwargs, version):
            return args, {"locale": "en", **kwargs}
        """
        self.job_class.upgrade = staticmethod(translate)  # type: ignore[method-assign]
        return translate

    def __jobkit_declare__(self, rule: Rule) -> None:
        self.job_class.__jobkit_declare__(rule)


@overload
def job(function: Callable[P, R], /) -> FunctionJob[P, R]: ...
@overload
def job(**options: Unpack[JobOptions]) -> Callable[[Callable[P, R]], FunctionJob[P, R]]: ...
def job(function: Callable[..., Any] | None = None, /, **options: Unpack[JobOptions]) -> Any:
    """Make a job of a function, bare or with the options of a job class.

        @job(queue="mailers")
        def welcome(user_id: int) -> None: ...

        welcome.perform_later(1)

    Within it, `jobkit.current_job()` is the running job.
    """
    if function is not None:
        return FunctionJob(function, options)
    return functools.partial(FunctionJob, options=options)


def _class_of(function: Callable[..., Any], options: JobOptions) -> type[Job]:
    if not inspect.isfunction(function):
        raise TypeError(f"@job goes over a function, not over {function!r}")
    members = {
        "perform": _method(function),
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        OWN_RULES: rules_of(function),
    }
    name = importable_name(function.__module__, function.__qualname__)
    made: type[Job] = type(function.__name__, (Job,), members, **{"name": name, **options})
    return made


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """`perform` for the function: same parameters behind a `self` that it does not see."""

    def perform(self: Job, /, *args: Any, **kwargs: Any) -> Any:
        del self
        return function(*args, **kwargs)

    async def aperform(self: Job, /, *args: Any, **kwargs: Any) -> Any:
        del self
        return await function(*args, **kwargs)

    method: Any = aperform if inspect.iscoroutinefunction(function) else perform
    setattr(method, FUNCTION, function)
    return cast("Callable[..., Any]", method)
