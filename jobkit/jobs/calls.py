"""What is called without a class: enqueueing by instances and by name, and the running job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, Unpack, cast

from jobkit import transactions
from jobkit.execution import current
from jobkit.jobs import enqueueing
from jobkit.jobs.base import Job
from jobkit.jobs.instances import made
from jobkit.jobs.options import SetOptions, check_name, refuse_unknown, settings_of
from jobkit.jobs.plan import plan_by_name

__all__ = [
    "NamedOptions",
    "aenqueue",
    "aperform_all_later",
    "current_job",
    "enqueue",
    "perform_all_later",
]

AnyJob = TypeVar("AnyJob", bound=Job)


class NamedOptions(SetOptions, total=False):
    """The options of `enqueue` by name: those of `set`, and the retry policy."""

    retry: bool | int


def perform_all_later(jobs: Iterable[AnyJob]) -> list[AnyJob]:
    """Store many jobs made by `new`, of any classes, and return them.

    Grouped by backend; what one argument makes impossible stores none. Runs no enqueue callbacks.
    Raises what `perform_later` raises.
    """
    instances = list(jobs)
    for instance in instances:
        if not isinstance(instance, Job):
            raise TypeError(
                f"perform_all_later takes jobs made by new(), not {ascii(instance)[:200]}"
            )
    enqueueing.store_all(instances)
    return instances


async def aperform_all_later(jobs: Iterable[AnyJob]) -> list[AnyJob]:
    """`perform_all_later` without blocking the event loop."""
    return await transactions.away(perform_all_later, jobs)


def enqueue(
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **options: Unpack[NamedOptions],
) -> Job:
    """Store a job by its class's name, which need not be known here (it may be Ruby's).

    The arguments are JSON values; neither they nor the class's options are looked up: the queue is
    `default` and the default retry policy holds unless given here.

        jobkit.enqueue("billing.Charge", args=[1], queue="payments")
    """
    job = _by_name(name, args, kwargs or {}, options)
    enqueueing.store(job)
    return job


async def aenqueue(
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **options: Unpack[NamedOptions],
) -> Job:
    """`enqueue` without blocking the event loop."""
    return await transactions.away(enqueue, name, args, kwargs, **options)


def current_job() -> Job | None:
    """The job that is running here, or None outside of one."""
    return cast("Job | None", current.get())


def _by_name(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: NamedOptions
) -> Job:
    refuse_unknown(options, NamedOptions.__annotations__, "enqueue()")
    if callable(name):
        raise TypeError(
            f"enqueue() takes the name of a job class, not {ascii(name)[:200]}: a class has"
            " perform_later"
        )
    if isinstance(args, (str, bytes)) or not isinstance(args, Sequence):
        raise TypeError(f"args is {ascii(args)[:200]}: give a list of the arguments")
    if not isinstance(kwargs, Mapping):
        raise TypeError(f"kwargs is {ascii(kwargs)[:200]}: give a dict of the arguments by name")
    given = {key: value for key, value in options.items() if key != "retry"}
    plan = plan_by_name(check_name(name), retry=options.get("retry", True))
    return cast("Job", made(Job, args, kwargs, settings_of(cast("SetOptions", given)), plan=plan))
