"""The limits a job is under, as they travel with the payload.

The core decides which limits a job is under and writes them into the payload; an adapter reads
them from there when it claims (see `jobkit.capabilities.SupportsLimits`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from jobkit.errors import PayloadError
from jobkit.payload import Payload

__all__ = ["MARK", "Limit", "fields_of", "is_limited", "limits_of", "places_of"]

MARK: Final = '"limits"'
"""What the text of every job has that is under a limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `to` jobs with this key at once or, with `per`, starts within so many seconds.

    What is over it waits, or with `discard` is dropped.
    """

    key: str
    to: int
    per: float | None = None
    discard: bool = False

    @property
    def place(self) -> str:
        """Its name among the limits of a store: rates have keys of their own."""
        return f"{'jobs' if self.per is None else 'rate'}:{self.key}"


def fields_of(limits: Iterable[Limit]) -> list[dict[str, Any]] | None:
    """The limits as the field `limits` of a payload; None when there are none."""
    return [
        {
            name: value
            for name in ("key", "to", "per", "discard")
            if (value := getattr(limit, name)) not in (None, False)
        }
        for limit in limits
    ] or None


def is_limited(payload: Payload) -> bool:
    """False when the job is surely under no limit: told without reading it."""
    return MARK in payload.text


def limits_of(payload: Payload) -> tuple[Limit, ...]:
    """The limits a stored job is under; what makes no sense as one is none."""
    if not is_limited(payload):
        return ()
    try:
        written = payload.fields.get("limits")
    except PayloadError:
        return ()
    return tuple(map(_limit, filter(_makes_sense, written if isinstance(written, list) else ())))


def places_of(payload: Payload) -> tuple[str, ...]:
    """The places of the limits a stored job is under."""
    return tuple(limit.place for limit in limits_of(payload))


def _limit(written: dict[str, Any]) -> Limit:
    per = written.get("per")
    discard = written.get("discard") is True
    return Limit(written["key"], written["to"], None if per is None else float(per), discard)


def _makes_sense(written: Any) -> bool:
    if not isinstance(written, dict):
        return False
    per = written.get("per")
    return (
        isinstance(written.get("key"), str)
        and type(to := written.get("to")) is int
        and 0 < to < 2**31
        and (per is None or (type(per) in (int, float) and 0 < per < float("inf")))
    )
