"""Failures that a worker finds from outside: the run itself can no longer tell."""

from __future__ import annotations

from jobkit import middleware
from jobkit.execution import current, judge
from jobkit.jobs.running import Run
from jobkit.outcome import Outcome
from jobkit.propagation import fresh_context, restore

__all__ = ["failed"]


def failed(run: Run, error: BaseException, now: float) -> Outcome:
    """The outcome of a run that ended by `error`, under the usual rules, hooks included."""
    return fresh_context().run(_failed, run, error, now)


def _failed(run: Run, error: BaseException, now: float) -> Outcome:
    current.set(run.job)
    try:
        restore(run.payload)
    except BaseException as failure:  # noqa: BLE001 - an application's `load` may raise anything
        middleware.report("restoring the context", run.job, failure)
    return judge(run, error, now)
