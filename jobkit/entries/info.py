"""A recurring entry as users see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobkit.capabilities import StoredEntry
from jobkit.clock import as_datetime
from jobkit.entries.entry import CatchUp, Entry
from jobkit.entries.jobs import as_payload
from jobkit.jobs.stored import shown_arguments

__all__ = ["RecurringInfo", "RecurringRun", "info_of"]


@dataclass(frozen=True, slots=True)
class RecurringRun:
    """A tick that was enqueued: its time (UTC) and the id of its job."""

    at: datetime
    job_id: str


@dataclass(frozen=True, slots=True)
class RecurringInfo:
    """A recurring entry. Times are UTC; `next_at` is None while it is paused.

    Safe to be shown: arguments that the class redacts read `[redacted]`.

    `source` is "code" for what the application declares or configures, "added" for what was added
    at run time. `runs` are the latest ticks, newest first. An entry that cannot be read has an
    `error` that says why, and never ticks.
    """

    name: str
    cron: str
    job_class: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str | None
    timezone: str
    catch_up: CatchUp
    paused: bool
    source: str
    next_at: datetime | None
    runs: tuple[RecurringRun, ...]
    error: str | None = None


def info_of(stored: StoredEntry, now: float) -> RecurringInfo:
    """The stored entry, readable or not; `now` in seconds of the store's time."""
    source = "code" if stored.owner else "added"
    runs = tuple(RecurringRun(as_datetime(at), job) for at, job in stored.runs)
    try:
        entry = Entry.read(stored.text)
    except ValueError as error:
        return RecurringInfo(
            stored.name, "", "", [], {}, None, "UTC", "last", stored.paused, source, None, runs,
            error=str(error),
        )  # fmt: skip
    args, kwargs = shown_arguments(as_payload(entry))
    following = None if stored.paused else entry.schedule().next(now)
    return RecurringInfo(
        name=stored.name,
        cron=entry.cron,
        job_class=entry.job,
        args=args,
        kwargs=kwargs,
        queue=entry.queue or entry.envelope.get("queue"),
        timezone=entry.timezone,
        catch_up=entry.catch_up,
        paused=stored.paused,
        source=source,
        next_at=None if following is None else as_datetime(following),
        runs=runs,
    )
