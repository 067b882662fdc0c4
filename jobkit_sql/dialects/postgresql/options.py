"""What the URL of a PostgreSQL store may say besides where it is."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import URL

from jobkit.errors import ConfigurationError
from jobkit_sql.naming import USUAL, Naming

__all__ = ["Options"]

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_MOST: Final = 1_000
_SHORTEST: Final = 0.1
_LONGEST: Final = 3_600.0
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}

# A server that is gone without a word is noticed within seconds, not within the system's hours.
_TIMEOUTS: Final[dict[str, str]] = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


@dataclass(frozen=True, slots=True)
class Options:
    """A URL for psycopg, and what jobkit took out of it.

    `schema` is the schema of jobkit's tables, None for the one that the search path names, `naming`
    what they are called in it; `prepare` tells whether statements may be prepared, which a
    transaction pooler breaks, None: where it is seen to be safe; `pool_size` is the number of
    connections that are kept open; `timeout` the seconds that a call may take.
    """

    url: URL
    schema: str | None
    prepare: bool | None
    pool_size: int
    timeout: float
    naming: Naming

    @classmethod
    def of(cls, url: URL) -> Options:
        """The options of a URL. Raises ConfigurationError for one that cannot be used."""
        own = dict(url.query)
        schema = _text(own, "schema")
        if schema is not None and not _IDENTIFIER.fullmatch(schema):
            raise ConfigurationError(
                f"schema={schema[:80]!a} is no name of a schema: use small letters, digits and _"
            )
        prepare, size = _text(own, "prepare"), _text(own, "pool_size") or "5"
        if prepare is not None and prepare not in _TRUE:
            raise ConfigurationError(f"prepare={prepare[:80]!a}: write true or false")
        if not (size.isdecimal() and 0 < int(size) <= _MOST):
            raise ConfigurationError(f"pool_size={size[:80]!a}: write a whole number, 1 or more")
        timeout = _seconds(_text(own, "timeout") or "5")
        prefix = _text(own, "prefix")
        naming = USUAL if prefix is None else Naming(prefix)
        if schema is not None and naming(schema) != schema:
            raise ConfigurationError(f"schema={schema!a} is the name of a table of jobkit's")
        allowed = None if prepare is None else _TRUE[prepare]
        return cls(_driven(url, own), schema, allowed, int(size), timeout, naming)


def _text(query: dict[str, Any], name: str) -> str | None:
    value = query.pop(name, None)
    if value is None or isinstance(value, str):
        return value
    raise ConfigurationError(f"the URL has {name} more than once")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if _SHORTEST <= (seconds := float(text)) <= _LONGEST:
            return seconds
    raise ConfigurationError(
        f"timeout={text[:80]!a}: write seconds, from {_SHORTEST:g} to {_LONGEST:g}"
    )


def _driven(url: URL, query: dict[str, Any]) -> URL:
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ConfigurationError(f"{url.drivername}:// cannot be used: write postgresql://host/db")
    return url.set(drivername="postgresql+psycopg", query={**_TIMEOUTS, **query})
