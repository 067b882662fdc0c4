"""By what name a local dashboard may be called."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Hosts"]

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Hosts:
    """Answers to local names only.

    A name that an attacker controls may be made to lead here: for the browser, the attacker's
    page would then be of this very origin.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._hosts = _LOCAL | {host, f"[{host}]"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _name(Headers(scope=scope)) not in self._hosts:
            await PlainTextResponse("Call this by localhost.", 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _name(headers: Headers) -> str:
    host = headers.get("host", "")
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host
