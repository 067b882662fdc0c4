"""What all requests share: the store's inspector, the templates, the running bulk actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from jobkit.dashboard import shown
from jobkit.dashboard.bulk import Bulk
from jobkit.dashboard.totals import Told, Totals
from jobkit.inspection import Inspector, inspect

__all__ = ["Site", "base_of", "site_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """One dashboard."""

    backend: str
    bulk: Bulk
    read_only: bool
    totals: Totals = field(default_factory=Totals)

    def told(self) -> Told:
        """The totals; of a store with very many jobs perhaps of a moment ago."""
        return self.totals.of(self.inspector())

    def inspector(self) -> Inspector:
        """Reads and operates the backend."""
        return inspect(self.backend)

    def page(self, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of the dashboard."""
        text = _TEMPLATES.get_template(f"{name}.html").render(
            base=base_of(request),
            path=request.url.path.removeprefix(base_of(request)),
            backend=self.backend,
            read_only=self.read_only,
            user=request.scope.get("jobkit_user"),
            tasks=self.bulk.tasks(),
            **values,
        )
        return HTMLResponse(text, status)


def site_of(request: Request) -> Site:
    """The dashboard that the request came to."""
    site: Site = request.app.state.site
    return site


def base_of(request: Request) -> str:
    """The path below which the dashboard is mounted, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jobkit.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown.FILTERS)
    return environment


_TEMPLATES = _environment()
