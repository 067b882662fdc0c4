"""The dashboard as an ASGI application: routes, and what stands around them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from jobkit.dashboard import actions, pages
from jobkit.dashboard.access import Access, Auth, authenticator
from jobkit.dashboard.bulk import Bulk
from jobkit.dashboard.guard import Guard
from jobkit.dashboard.site import Site
from jobkit.errors import AdapterError, JobkitError, Unsupported

__all__ = ["create_app"]


def create_app(backend: str = "default", *, auth: Auth, read_only: bool = False) -> ASGIApp:
    """An ASGI application that shows a backend and operates it, to be served or mounted.

        app.mount("/jobs", create_app(auth=("ada", os.environ["DASHBOARD_PASSWORD"])))

    `auth` is a user and a password for Basic authentication, a callable (also async) that takes
    the ASGI scope and returns the user's name or None, or None said outright: then everybody who
    reaches it may do everything, and who that is must be settled in front of it. `read_only`
    refuses every action. Raises ConfigurationError for an `auth` that lets anybody in by mistake.
    """
    app = Starlette(
        routes=[*_pages(), *_actions(), Mount("/static", StaticFiles(directory=_static()))],
        middleware=[
            Middleware(Guard, read_only=read_only),
            Middleware(Access, authenticate=authenticator(auth)),
        ],
        exception_handlers={
            HTTPException: _refused,
            ValueError: _bad_request,
            JobkitError: _failed,
        },
    )
    app.state.site = Site(backend, Bulk(), read_only=read_only)
    return app


def _pages() -> list[Route]:
    return [
        Route("/", pages.overview),
        Route("/busy", pages.busy),
        Route("/queues", pages.queues),
        Route("/queues/{name:path}", pages.queue),
        Route("/scheduled", pages.scheduled),
        Route("/retries", pages.retries),
        Route("/dead", pages.dead),
        Route("/jobs/{id:path}/arguments", pages.arguments),
        Route("/jobs/{id:path}", pages.job),
        Route("/recurring", pages.recurring),
        Route("/limits", pages.limits),
        Route("/metrics", pages.metrics),
        Route("/batches", pages.batches),
        Route("/batches/{id:path}", pages.batch),
        Route("/stats.json", pages.stats),
    ]


def _actions() -> list[Route]:
    return [
        Route("/jobs/run", actions.run, methods=["POST"]),
        Route("/jobs/bury", actions.bury, methods=["POST"]),
        Route("/jobs/cancel", actions.cancel, methods=["POST"]),
        Route("/jobs/discard", actions.discard, methods=["POST"]),
        Route("/jobs/reschedule", actions.reschedule, methods=["POST"]),
        Route("/queues/{name:path}/pause", actions.pause, methods=["POST"]),
        Route("/queues/{name:path}/resume", actions.resume, methods=["POST"]),
        Route("/queues/{name:path}/clear", actions.clear, methods=["POST"]),
        Route("/workers/{id:path}/quiet", actions.quiet, methods=["POST"]),
        Route("/workers/{id:path}/stop", actions.stop, methods=["POST"]),
        Route("/recurring/{name:path}/run", actions.run_entry, methods=["POST"]),
        Route("/recurring/{name:path}/pause", actions.pause_entry, methods=["POST"]),
        Route("/recurring/{name:path}/resume", actions.resume_entry, methods=["POST"]),
        Route("/batches/{id:path}/cancel", actions.cancel_batch, methods=["POST"]),
        Route("/batches/{id:path}/retry", actions.retry_batch, methods=["POST"]),
    ]


def _static() -> Any:
    return files("jobkit.dashboard") / "static"


async def _refused(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    return pages.problem(request, refused.status_code, refused.detail)


async def _bad_request(request: Request, error: Exception) -> Response:
    return pages.problem(request, 400, str(error))


async def _failed(request: Request, error: Exception) -> Response:
    match error:
        case AdapterError():
            return pages.problem(request, 503, f"The store does not answer: {error}")
        case Unsupported():
            return pages.problem(request, 501, str(error))
        case _:
            return pages.problem(request, 400, str(error))
