"""Jobs as the helpers see them, and the ways to say which are meant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from jobkit.errors import DeserializationError
from jobkit.jobs import FunctionJob, Job, run_of
from jobkit.jobs.plan import plan_of
from jobkit.payload import Payload

__all__ = ["AnyOf", "JobRef", "Predicate", "Seen", "all_seen", "any_of", "names_of", "seen"]

JobRef: TypeAlias = type[Job] | FunctionJob[..., Any] | str
"""A job class, a function job, or the name of one."""

Predicate: TypeAlias = Callable[[Any], object]

AnyOf: TypeAlias = JobRef | Collection[JobRef] | Predicate
"""A job class, several, or a predicate of the job instance."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job that waits or ran: its payload, and the instance made from it."""

    payload: Payload
    job: Job

    @property
    def name(self) -> str:
        return self.payload.job_class

    @property
    def args(self) -> list[Any]:
        """The positional arguments; as they are stored where they cannot be loaded."""
        try:
            return self.job.args
        except DeserializationError:
            return self.payload.args

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments; see `args`."""
        try:
            return self.job.kwargs
        except DeserializationError:
            return self.payload.kwargs

    @property
    def at(self) -> datetime | None:
        """When it is or was due; None if it never waited for a time."""
        return self.job.scheduled_at


def seen(payload: Payload, *, waiting: bool) -> Seen:
    """The payload of a job that waits, or of one that ran."""
    job: Job = run_of(payload).job
    if waiting:
        job.executions = payload.executions
    return Seen(payload, job)


def names_of(ref: JobRef) -> tuple[str, ...]:
    """The names that payloads call the job, the current one first. Raises TypeError for no job."""
    if isinstance(ref, str):
        return (ref,)
    job_class = ref.job_class if isinstance(ref, FunctionJob) else ref
    if not (isinstance(job_class, type) and issubclass(job_class, Job)):
        raise TypeError(f"{ref!a} is no job: give a job class, a function job or a name")
    plan = plan_of(job_class)
    return (plan.name, *plan.options.aliases)


def any_of(jobs: AnyOf) -> Callable[[Seen], bool]:
    """Whether a job is one of them. Raises TypeError for what are none."""
    if isinstance(jobs, type | str | FunctionJob):
        jobs = [jobs]
    if isinstance(jobs, Collection):
        names = {name for ref in jobs for name in names_of(ref)}
        return lambda seen: seen.name in names
    return lambda seen: bool(jobs(seen.job))


def all_seen(payloads: Iterable[Payload], *, waiting: bool) -> list[Seen]:
    """The payloads of jobs that wait, or of those that ran."""
    return [seen(payload, waiting=waiting) for payload in payloads]
