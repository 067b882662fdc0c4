"""Who may see the dashboard: asked for every request, static files and JSON included."""

from __future__ import annotations

import base64
import binascii
import hmac
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from jobkit.errors import ConfigurationError

__all__ = ["Access", "Auth", "authenticator"]

Asked = Callable[[Scope], "str | Awaitable[str | None] | None"]
Auth = tuple[str, str] | Asked | None

_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="jobkit", charset="UTF-8"'}
_ANYBODY: Final = "anonymous"


class Access:
    """Lets a request pass that comes from somebody, whose name the actions then log."""

    def __init__(self, app: ASGIApp, authenticate: Asked) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        user = self._authenticate(scope)
        if inspect.isawaitable(user):
            user = await user
        if user is None:
            await _refusal(self._authenticate)(scope, receive, send)
            return
        scope["jobkit_user"] = user
        await self._app(scope, receive, send)


class Basic:
    """HTTP Basic authentication of one user."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._expected = f"{user}:{password}".encode()

    def __call__(self, scope: Scope) -> str | None:
        given = _basic(scope)
        return self._user if hmac.compare_digest(given, self._expected) else None


def authenticator(auth: Auth) -> Asked:
    """What tells a request's user. Raises ConfigurationError for what would let everybody in."""
    if auth is None:
        return _everybody
    if isinstance(auth, tuple):
        return _basic_of(auth)
    if callable(auth):
        return auth
    raise ConfigurationError(
        "auth is a user and a password, a callable of the ASGI scope, or None for everybody"
    )


def _basic_of(auth: tuple[Any, ...]) -> Basic:
    match auth:
        case (str(user), str(password)) if user and password:
            pass
        case _:
            raise ConfigurationError("auth needs a user and a password, neither of them empty")
    if ":" in user:
        raise ConfigurationError("auth: a user's name has no colon in it")
    return Basic(user, password)


def _everybody(scope: Scope) -> str:
    del scope
    return _ANYBODY


def _basic(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        scheme, _, credentials = value.partition(b" ")
        if name == b"authorization" and scheme.lower() == b"basic":
            try:
                return base64.b64decode(credentials, validate=True)
            except binascii.Error:
                return b""
    return b""


def _refusal(authenticate: Asked) -> PlainTextResponse:
    if isinstance(authenticate, Basic):
        return PlainTextResponse("Who are you?", 401, headers=_CHALLENGE)
    return PlainTextResponse("You may not see this.", 403)
