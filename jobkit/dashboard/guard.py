"""What every answer carries, and what no request may do."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "is_same_origin"]

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE: Final = ("GET", "HEAD")


class Guard:
    """Refuses what another site's page sent, and closes every answer to others."""

    def __init__(self, app: ASGIApp, *, read_only: bool) -> None:
        self._app = app
        self._read_only = read_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app = self._app if (refusal := self._refusal(scope)) is None else refusal
        await app(scope, receive, _sealed(scope, send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["method"] in _SAFE:
            return None
        if self._read_only:
            return PlainTextResponse("This dashboard is read-only.", 403)
        if not is_same_origin(Headers(scope=scope)):
            return PlainTextResponse("This did not come from the dashboard's own pages.", 403)
        return None


def is_same_origin(headers: Headers) -> bool:
    """True for a request that a page of this very origin made, as the browser tells."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")


def _sealed(scope: Scope, send: Send) -> Send:
    kept = "/static/" in scope["path"]

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            # Files may be kept as long as they answer to their tag; what jobs hold may not.
            headers["Cache-Control"] = "no-cache" if kept else "no-store"
        await send(message)

    return sealed
