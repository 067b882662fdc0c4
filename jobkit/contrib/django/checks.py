"""What `manage.py check` says about jobkit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from jobkit import backends, jobs
from jobkit.errors import JobkitError

__all__ = ["check_configuration", "check_jobs", "check_stores"]


@register("jobkit")
def check_configuration(**kwargs: Any) -> list[CheckMessage]:
    """The configuration can be read, and every backend has an adapter. Connects nowhere."""
    del kwargs
    return [Error(problem, id="jobkit.E001") for problem in _problems_of_configuration()]


@register("jobkit")
def check_jobs(**kwargs: Any) -> list[CheckMessage]:
    """The jobs of every class that was imported can be stored."""
    del kwargs
    told = set(_problems_of_configuration())
    problems = dict.fromkeys(each for each in jobs.check_classes() if each not in told)
    return [Error(problem, id="jobkit.E003") for problem in problems]


@register(Tags.database)
def check_stores(**kwargs: Any) -> list[CheckMessage]:
    """The stores answer and have their schema; with `check --database`, as it connects."""
    if not kwargs.get("databases"):
        return []
    return [
        Error(problem, id="jobkit.E004")
        for name in backends.names()
        for problem in backends.problems(name)
    ]


def _problems_of_configuration() -> Iterator[str]:
    try:
        names = backends.names()
    except JobkitError as error:
        yield str(error)
        return
    for name in names:
        try:
            backends.get(name)
        except JobkitError as error:
            yield str(error)
