"""Sentry: failed runs are reported, with the job and what was noted during the run.

import sentry_sdk
from jobkit.contrib import sentry

sentry_sdk.init(dsn="...")
sentry.install()
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

import sentry_sdk
from sentry_sdk.scope import Scope, use_isolation_scope
from sentry_sdk.tracing import TransactionSource

from jobkit import middleware
from jobkit.middleware import Middleware

__all__ = ["Reporting", "install"]

_scope: Final[ContextVar[Scope | None]] = ContextVar("jobkit_sentry_scope", default=None)


class Reporting(Middleware):
    """Reports errors. Each run has an isolation scope of its own, and a transaction.

    `only_deaths`: a job that will be tried again is not reported. What a rule discards never is.
    Arguments are never sent; what the errors themselves say is theirs.
    """

    def __init__(self, *, only_deaths: bool = False) -> None:
        self._only_deaths = only_deaths

    def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
        """Around a run: what Sentry is told meanwhile belongs to this job."""
        with sentry_sdk.isolation_scope() as scope:
            scope.clear_breadcrumbs()
            _describe(scope, job)
            _scope.set(scope)  # for the hooks below, which are called when this has ended
            name = job._plan.name
            with sentry_sdk.start_transaction(
                op="queue.process", name=name, source=TransactionSource.TASK
            ):
                return call_next()

    def on_error(self, job: Any, error: BaseException) -> None:
        """A run failed: report it, unless only deaths are wanted."""
        if not self._only_deaths:
            _report(job, error)

    def on_death(self, job: Any, error: BaseException) -> None:
        """A job died: where every failure is reported, this one was."""
        if self._only_deaths:
            _report(job, error)


def install(*, only_deaths: bool = False) -> Reporting:
    """Report the failures of this process's runs."""
    reporting = Reporting(only_deaths=only_deaths)
    middleware.add(reporting)
    return reporting


def _report(job: Any, error: BaseException) -> None:
    scope = _scope.get()
    if scope is None:  # it failed before it ran: its arguments could not be read, for one
        scope = sentry_sdk.get_isolation_scope().fork()
        _describe(scope, job)
    with use_isolation_scope(scope):
        sentry_sdk.capture_exception(error)


def _describe(scope: Scope, job: Any) -> None:
    name = job._plan.name
    scope.set_transaction_name(name)
    scope.set_tag("jobkit.job", name)
    scope.set_tag("jobkit.queue", job.queue)
    scope.set_context(
        "jobkit",
        {"id": job.id, "job": name, "queue": job.queue, "executions": job.executions},
    )
