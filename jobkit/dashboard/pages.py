"""The pages, one function each. They run in threads: a store may take its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from jobkit.dashboard.charts import Chart, daily, minutely, times
from jobkit.dashboard.site import site_of
from jobkit.errors import Unsupported
from jobkit.inspection import Inspector, JobInfo, Page
from jobkit.inspection.timeline import timeline

__all__ = [
    "Filters", "arguments", "batch", "batches", "busy", "dead", "job", "limits", "metrics",
    "overview", "problem", "queue", "queues", "recurring", "retries", "scheduled", "stats",
]  # fmt: skip

P = TypeVar("P")

_DAYS: Final = 30
_HOURS: Final = (1, 3, 8)
_USUAL: Final = 25
_MOST: Final = 100
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to, as its address says it; absurd values are brought to reason."""

    queue: str | None
    job: str | None
    text: str | None
    limit: int
    after: str | None

    @classmethod
    def of(cls, request: Request) -> Filters:
        given = request.query_params
        return cls(
            queue=_text(given.get("queue")),
            job=_text(given.get("job")),
            text=_text(given.get("text")),
            limit=_limit(given.get("limit")),
            after=given.get("after") or None,
        )

    def address(self, after: str | None = None) -> str:
        """The query of the page behind `after`, of the first one without."""
        given = {
            "queue": self.queue,
            "job": self.job,
            "text": self.text,
            "limit": None if self.limit == _USUAL else self.limit,
            "after": after,
        }
        return urlencode({name: value for name, value in given.items() if value is not None})

    @property
    def narrow(self) -> bool:
        """True when not everything is listed."""
        return any((self.queue, self.job, self.text))


def overview(request: Request) -> Response:
    """Totals, the last hour and days, the queues."""
    site = site_of(request)
    inspector = site.inspector()
    return site.page(
        request,
        "overview",
        told=site.told(),
        queues=inspector.queues()[:_MOST],
        hour=_last_minutes(inspector, 1),
        days=daily(inspector.history(_DAYS)),
    )


def busy(request: Request) -> Response:
    """The workers and what they run."""
    site = site_of(request)
    inspector = site.inspector()
    filters = Filters.of(request)
    running = _jobs(inspector, "running", filters)
    workers = inspector.workers()
    return site.page(request, "busy", workers=workers, page=running, filters=filters)


def queues(request: Request) -> Response:
    """All queues."""
    site = site_of(request)
    return site.page(request, "queues", queues=site.inspector().queues())


def queue(request: Request) -> Response:
    """One queue and the jobs on it."""
    site = site_of(request)
    inspector = site.inspector()
    name = request.path_params["name"]
    found = next((each for each in inspector.queues() if each.name == name), None)
    if found is None:
        raise HTTPException(404, "There is no such queue: it is empty, and nobody serves it.")
    filters = Filters.of(request)
    page = _jobs(inspector, "enqueued", replace(filters, queue=name))
    return site.page(request, "queue", queue=found, page=page, filters=filters, state="enqueued")


def scheduled(request: Request) -> Response:
    """Jobs that wait for their time."""
    return _listed(request, "scheduled", "Scheduled")


def retries(request: Request) -> Response:
    """Jobs that failed and will run again."""
    return _listed(request, "retry", "Retries")


def dead(request: Request) -> Response:
    """Jobs that were given up."""
    return _listed(request, "dead", "Dead")


def job(request: Request) -> Response:
    """One job, whole."""
    found = _found(request)
    return site_of(request).page(request, "job", job=found, moments=timeline(found))


def arguments(request: Request) -> Response:
    """The arguments whole, to be kept as a file."""
    found = _found(request)
    text = json.dumps({"args": found.args, "kwargs": found.kwargs}, indent=2)
    headers = {"Content-Disposition": 'attachment; filename="arguments.json"'}
    return PlainTextResponse(text, headers=headers)


def recurring(request: Request) -> Response:
    """The recurring entries."""
    site = site_of(request)
    return site.page(request, "recurring", entries=site.inspector().recurring())


def limits(request: Request) -> Response:
    """The limits in use, and the jobs that wait for them."""
    site = site_of(request)
    inspector = site.inspector()
    filters = Filters.of(request)
    page = _jobs(inspector, "blocked", filters)
    told = site.told()
    return site.page(
        request,
        "limits",
        limits=inspector.limits()[:_MOST],
        page=page,
        filters=filters,
        state="blocked",
        total=told.stats.blocked,
        age=told.age,
    )


def metrics(request: Request) -> Response:
    """What the runs of each class took."""
    site = site_of(request)
    inspector = site.inspector()
    hours = _hours(request.query_params.get("hours"))
    found = inspector.metrics(hours)[:_MOST]
    return site.page(
        request,
        "metrics",
        hours=hours,
        choices=_HOURS,
        chart=minutely(inspector.minutes(hours)),
        classes=[(each, times(each)) for each in found],
        total=sum(each.seconds for each in found),
    )


def batches(request: Request) -> Response:
    """The batches, the newest first."""
    site = site_of(request)
    filters = Filters.of(request)
    listed = partial(site.inspector().batches, limit=filters.limit)
    page = _paged(listed, filters.after)
    return site.page(request, "batches", page=page, filters=filters)


def batch(request: Request) -> Response:
    """One batch, and some of its jobs."""
    site = site_of(request)
    inspector = site.inspector()
    found = inspector.batch(request.path_params["id"])
    if found is None:
        raise HTTPException(404, "There is no such batch: it is forgotten, or never was.")
    return site.page(
        request,
        "batch",
        batch=found,
        failed=inspector.batch_jobs(found.id, failed=True, limit=_USUAL),
        pending=inspector.batch_jobs(found.id, limit=_USUAL),
    )


def stats(request: Request) -> Response:
    """The totals, for programs."""
    told = site_of(request).told()
    return JSONResponse(asdict(told.stats), headers={"Age": f"{told.age:.0f}"})


def problem(request: Request, status: int, text: str) -> Response:
    """A page that says what went wrong."""
    return site_of(request).page(request, "problem", status, status_code=status, text=text)


def _listed(request: Request, state: str, title: str) -> Response:
    site = site_of(request)
    inspector = site.inspector()
    filters = Filters.of(request)
    page = _jobs(inspector, state, filters)
    told = site.told()
    return site.page(
        request,
        "listed",
        title=title,
        state=state,
        page=page,
        filters=filters,
        total=getattr(told.stats, state),
        age=told.age,
    )


def _jobs(inspector: Inspector, state: str, filters: Filters) -> Page:
    listed = partial(
        inspector.jobs,
        state,
        queue=filters.queue,
        job=filters.job,
        text=filters.text,
        limit=filters.limit,
    )
    return _paged(listed, filters.after)


def _paged(listed: Callable[..., P], after: str | None) -> P:
    """The page behind the cursor; the first one when that is none, as in an old address."""
    try:
        return listed(after=after)
    except ValueError:
        if after is None:
            raise
        return listed(after=None)


def _last_minutes(inspector: Inspector, hours: int) -> Chart | None:
    """The chart of the last minutes; None where the store keeps none."""
    try:
        return minutely(inspector.minutes(hours))
    except Unsupported:
        return None


def _hours(given: str | None) -> int:
    try:
        return min(_HOURS, key=lambda hours: abs(hours - int(given or 1)))
    except ValueError:
        return 1


def _found(request: Request) -> JobInfo:
    found = site_of(request).inspector().find(request.path_params["id"])
    if found is None:
        raise HTTPException(404, "There is no such job: it is done, or was deleted.")
    return found


def _text(given: str | None) -> str | None:
    return given[:_LONGEST_TEXT] if given else None


def _limit(given: str | None) -> int:
    try:
        return min(_MOST, max(1, int(given or _USUAL)))
    except ValueError:
        return _USUAL
