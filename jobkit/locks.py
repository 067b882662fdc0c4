"""The lock of a unique job, as it travels with the payload.

Of the jobs with one lock a store holds one. The core decides what makes jobs equal and writes it
into the payload; an adapter reads it from there (see `jobkit.capabilities.SupportsUnique`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from jobkit.errors import DuplicateJob, PayloadError
from jobkit.payload import MARK, Payload

__all__ = ["MARK", "Lock", "OnConflict", "Until", "lost_to"]

_FIELD: Final = "unique"


class Until(StrEnum):
    """When a lock ends: at the first claim, with the job's end, or by time alone."""

    START = "start"
    SUCCESS = "success"
    TIME = "time"


class OnConflict(StrEnum):
    """What becomes of a job whose lock another one holds."""

    SKIP = "skip"
    REPLACE = "replace"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a unique job must have for itself. `seconds` is how long, of one that ends by time."""

    key: str
    until: Until
    on_conflict: OnConflict = OnConflict.SKIP
    seconds: float = 0.0

    @classmethod
    def of(cls, payload: Payload) -> Lock | None:
        """The payload's lock; None for a job that needs none, or text that nobody can read."""
        if MARK not in payload.text:
            return None
        try:
            written = payload.fields.get(_FIELD)
        except PayloadError:
            return None
        return _read(written) if isinstance(written, dict) else None

    @property
    def name(self) -> str:
        """What is held: locks that end in different ways never meet."""
        return f"{self.until}:{self.key}"

    @property
    def is_held(self) -> bool:
        """True when the stored job itself holds it, False when only time ends it."""
        return self.until is not Until.TIME

    @property
    def fields(self) -> dict[str, Any]:
        """The lock as the payload's field `unique`."""
        fields: dict[str, Any] = {"key": self.key, "until": self.until.value}
        if self.until is Until.TIME:
            fields["for"] = self.seconds
        if self.on_conflict is not OnConflict.SKIP:
            fields["on_conflict"] = self.on_conflict.value
        return fields

    def ends_at(self, payload: Payload, now: float) -> float:
        """When one that ends by time does: counted from when the job is due."""
        return max(now, payload.scheduled_at or now) + self.seconds


def lost_to(winner: str, payload: Payload) -> DuplicateJob:
    """The error of a job that must not be passed over in silence."""
    return DuplicateJob(
        f"{payload.job_class}: the job {winner} is stored already, and is to be the only one",
        winner,
    )


def _read(written: Mapping[str, Any]) -> Lock | None:
    key, seconds = written.get("key"), written.get("for", 0.0)
    if not isinstance(key, str) or not key or type(seconds) not in (int, float):
        return None
    try:
        until = Until(written.get("until", Until.SUCCESS))
        on_conflict = OnConflict(written.get("on_conflict", OnConflict.SKIP))
    except ValueError:  # of a version that knows more
        return None
    return Lock(key, until, on_conflict, float(seconds))
