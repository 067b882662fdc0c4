"""`enqueued_jobs`, `performed_jobs` and `clear_jobs`."""

from __future__ import annotations

from jobkit.jobs import Job
from jobkit_inline.helpers import using
from jobkit_inline.helpers.seen import AnyOf, any_of, seen

__all__ = ["clear_jobs", "enqueued_jobs", "performed_jobs"]


def enqueued_jobs() -> list[Job]:
    """The jobs that wait in any way, delayed and retried ones included, in the order they came."""
    waiting = using.fake("enqueued_jobs").waiting()
    return [seen(job.payload, waiting=True).job for job in waiting]


def performed_jobs() -> list[Job]:
    """The job of every run that started, in the order they did; `executions` says which run."""
    started = using.stage("performed_jobs").performed()
    return [seen(payload, waiting=False).job for payload in started]


def clear_jobs(jobs: AnyOf | None = None) -> None:
    """Forget all jobs, dead and performed ones too, and take the machine's time again.

    With `jobs` (a class, several, or a predicate of the instance) only what waits of them.
    """
    if jobs is None:
        using.stage("clear_jobs").clear()
        return
    is_meant = any_of(jobs)
    using.fake("clear_jobs").forget(lambda job: is_meant(seen(job.payload, waiting=True)))
