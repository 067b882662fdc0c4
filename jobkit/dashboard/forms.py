"""What an action was sent: a form's fields, and the page that it came from."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from jobkit.dashboard.site import base_of

__all__ = ["Form", "back", "form_of"]

_LARGEST: Final = 64 * 1024
_MOST_FIELDS: Final = 1_000

Form = dict[str, list[str]]
"""The values of each field, in their order."""


async def form_of(request: Request) -> Form:
    """The fields of a form that is not too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise HTTPException(413, "This form is too large.")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:  # UnicodeDecodeError, too
        raise HTTPException(400, "This is no form.") from error


def back(request: Request, otherwise: str) -> RedirectResponse:
    """To the page that the form stood on, if it is one of ours."""
    came_from = urlsplit(request.headers.get("referer", ""))
    base = base_of(request)
    if came_from.netloc == request.headers.get("host") and _is_below(came_from.path, base):
        query = f"?{came_from.query}" if came_from.query else ""
        return RedirectResponse(came_from.path + query, 303)
    return RedirectResponse(f"{base}{otherwise}", 303)


def _is_below(path: str, base: str) -> bool:
    # "//host" would lead away.
    return path.startswith(f"{base}/") and not path.startswith("//")
