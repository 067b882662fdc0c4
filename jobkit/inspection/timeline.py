"""A job's life as far as it is written down: what happened, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

from jobkit.adapter import State
from jobkit.inspection.info import JobInfo

__all__ = ["Moment", "timeline"]

Kind = Literal["past", "failure", "now", "next", "end"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One step. `kind`: it happened, a run failed, it is so now, it will be, it is over."""

    at: datetime | None
    kind: Kind
    what: str
    detail: str = ""


def timeline(job: JobInfo) -> list[Moment]:
    """The steps of a job, in their order, the last being what it does now or what comes next."""
    return [*_past(job), _present(job)]


def _past(job: JobInfo) -> Iterator[Moment]:
    if job.created_at is not None:
        yield Moment(job.created_at, "past", "created", f"for the queue {job.queue}")
    unknown = job.executions - len(job.history)
    if unknown > 0 and job.history:
        yield Moment(None, "past", f"{unknown} earlier runs")
    number = max(unknown, 0)
    for run in job.history:
        number += 1
        detail = ": ".join(part for part in (run.error_class, run.error_message) if part)
        yield Moment(run.at, "failure", f"run {number} failed", detail)
    if not job.history and job.error_class:
        detail = ": ".join(part for part in (job.error_class, job.error_message) if part)
        yield Moment(None, "failure", "failed", detail)


def _present(job: JobInfo) -> Moment:
    run = f"run {job.executions + 1}"
    match job.state:
        case State.ENQUEUED:
            return Moment(job.at, "now", "enqueued", f"{run} comes when a worker is free")
        case State.SCHEDULED:
            return Moment(job.at, "next", f"{run} is due")
        case State.RETRY:
            return Moment(job.at, "next", f"{run} is due", "the next try")
        case State.RUNNING:
            return Moment(job.at, "now", f"{run} since then", f"at {job.worker}")
        case State.BLOCKED:
            return Moment(job.at, "now", "blocked", "waits for a place in a limit")
        case State.DEAD:
            return Moment(job.at, "end", "dead", "runs again only when told to")
        case State.COMPLETED:
            return Moment(job.at, "end", "completed" if job.result is None else job.result.outcome)
        case _:
            assert_never(job.state)
