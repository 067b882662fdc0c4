"""Jobs: the base class, the decorator, the verbs, and enqueueing by instance or by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, Unpack, cast

from jobkit import backends, encryption, transactions
from jobkit.errors import JobkitError
from jobkit.execution import current
from jobkit.jobs import enqueueing, performing, registry, running
from jobkit.jobs.base import Job
from jobkit.jobs.function import FunctionJob, job
from jobkit.jobs.instances import made
from jobkit.jobs.options import (
    JobOptions,
    SetOptions,
    check_name,
    refuse_unknown,
    settings_of,
)
from jobkit.jobs.plan import Plan, plan_by_name, plan_of
from jobkit.jobs.verbs import Configured
from jobkit.payload import Payload

__all__ = [
    "Configured",
    "FunctionJob",
    "Job",
    "JobOptions",
    "NamedOptions",
    "SetOptions",
    "aenqueue",
    "aperform_all_later",
    "check_classes",
    "constant_queues",
    "current_job",
    "enqueue",
    "job",
    "perform_all_later",
    "run_of",
]

AnyJob = TypeVar("AnyJob", bound=Job)

backends.hand(performing.perform)


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


def run_of(payload: Payload) -> running.Run:
    """The run of a payload, for a worker. Raises PayloadError when the payload is malformed."""
    return running.run_of(payload, Job)


def constant_queues() -> list[str]:
    """`default` and every other queue that a registered class names outright, in this order."""
    named = {plan_of(cls).options.queue for cls in registry.classes()}
    constant = {queue for queue in named if isinstance(queue, str)}
    return ["default", *sorted(constant - {"default"})]


def check_classes() -> list[str]:
    """What keeps the registered classes' jobs from being stored or run, a line each."""
    problems: list[str] = []
    for cls in registry.classes():
        plan = plan_of(cls)
        try:
            plan.arguments.check()
            if plan.options.encrypt:
                encryption.check_ready(plan.name)
            if plan.options.limits:
                enqueueing.require_limits(backends.get(plan.options.backend), plan.name)
            if plan.options.store_result is not None:
                enqueueing.require_results(backends.get(plan.options.backend), plan.name)
            if plan.options.unique is not None:
                enqueueing.require_unique(backends.get(plan.options.backend), plan.name)
        except JobkitError as error:
            problems.append(str(error))
    return problems


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
    plan: Plan = plan_by_name(check_name(name), retry=options.get("retry", True))
    return cast("Job", made(Job, args, kwargs, settings_of(cast("SetOptions", given)), plan=plan))
