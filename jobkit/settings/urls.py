"""Store URLs: what they must look like, and how they may be shown."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["safe_url", "url_scheme"]

_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9.-]*)(\+[A-Za-z0-9_.-]+)?://")

# Up to the last "@": a password may hold any character when somebody forgot to escape it, and
# hiding too much of a URL is better than showing half a password.
_PASSWORD: Final = re.compile(r"(?<=://)(?P<user>[^:/@]*):.*(?=@)", re.DOTALL)
_SECRET: Final = re.compile(r"([?&][^=&#]*(?:passw|pwd|secret|token)[^=&#]*=)[^&#]*", re.IGNORECASE)


def url_scheme(url: str) -> str:
    """What stands before `://`, in lower case, without a `+driver`.

    Raises ValueError, without showing the URL, if there is no scheme.
    """
    found = _SCHEME.match(url)
    if found is None:
        raise ValueError("it has no scheme such as sqlite://")
    return found["scheme"].lower()


def safe_url(url: str) -> str:
    """The URL with passwords and other secrets replaced by `***`: the only form to be shown."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\g<user>:***", url))
