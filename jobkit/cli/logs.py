"""Logging as the command line sets it up: a line on stderr for each thing that happens."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from jobkit import events
from jobkit.arguments import shown
from jobkit.cli.output import printable
from jobkit.errors import PayloadError
from jobkit.events import Event
from jobkit.jobs import current_job
from jobkit.jobs.stored import shown_arguments
from jobkit.outcome import (
    Buried,
    Discarded,
    Dropped,
    Failure,
    Outcome,
    Released,
    Retried,
    Snoozed,
    Succeeded,
    Suspended,
)
from jobkit.payload import Payload

__all__ = ["JsonFormatter", "TextFormatter", "log_failure", "log_run", "set_up"]

LONGEST_ERROR: Final = 1_000
"""Characters of an error's message in a line; the job itself keeps more."""

_FIELDS: Final = "jobkit"
"""The attribute under which a record carries what is known of its job."""

_log = logging.getLogger("jobkit.jobs")


def set_up(level: str, form: str) -> None:
    """Write what is of `level` or above to stderr, as "text" or "json". May be called again.

    Where the application gave the root logger handlers of its own, only the level of jobkit's own
    loggers is set.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger("jobkit").setLevel(number)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Stderr)]:
        root.removeHandler(handler)
    if not root.handlers:
        root.addHandler(_Stderr(JsonFormatter() if form == "json" else TextFormatter()))
        root.setLevel(number)
        # At INFO it would write every statement, with every job's arguments.
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    _subscribe()


class _Stderr(logging.StreamHandler[Any]):
    """The handler that is ours."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Lose the line: a job may have closed the stream, and the worker must go on."""
        with suppress(ValueError):
            super().handleError(record)


class TextFormatter(logging.Formatter):
    """Time, level, logger, message. Whatever a job's author or caller wrote stays on its line."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_time(record)} {record.levelname:<8} {record.name}: "
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        # Indented, so that no message of an error can pose as a record.
        return head + "\n    ".join(map(printable, [record.getMessage(), *trace.splitlines()]))


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a job itself logs names the job, too."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(getattr(record, _FIELDS, None) or _of_current_job()),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def log_run(event: Event) -> None:
    """Subscriber: a line when a run starts and one when it ends."""
    if event.name == "perform_start":
        told = _arguments(event.job)
        fields = {**_fields(event), **({"arguments": told} if told else {})}
        _write(logging.INFO, "started", fields)
    elif event.name == "perform":
        _log_end(event)


def log_failure(event: Event) -> None:
    """Subscriber: a line when a run fails."""
    if event.name == "perform" and isinstance(event.data["outcome"], Retried | Dropped | Buried):
        _log_end(event)


def _subscribe() -> None:
    """Subscribe no more than is written: events nobody hears cost the worker nothing."""
    events.unsubscribe(log_run)
    events.unsubscribe(log_failure)
    if _log.isEnabledFor(logging.INFO):
        events.subscribe(log_run)
    elif _log.isEnabledFor(logging.ERROR):
        events.subscribe(log_failure)


def _log_end(event: Event) -> None:
    outcome: Outcome = event.data["outcome"]
    level, said, failure = _told(outcome)
    if not _log.isEnabledFor(level):
        return
    duration = event.duration or 0.0
    fields = {
        **_fields(event),
        "duration": round(duration, 6),
        "outcome": type(outcome).__name__.lower(),
        **_error_fields(failure),
    }
    _write(level, f"ended after {duration:.3f} s: {said}", fields)


def _write(level: int, said: str, fields: Mapping[str, Any]) -> None:
    job, queue = f"{fields['job_class']} {fields['job_id']}", fields["queue"]
    attempt = fields.get("attempt", 1)
    nth = f" (attempt {attempt})" if attempt > 1 else ""
    _log.log(level, "%s from %s%s %s", job, queue, nth, said, extra={_FIELDS: fields})


def _told(outcome: Outcome) -> tuple[int, str, Failure | None]:
    """An outcome's level, its words, and what went wrong."""
    match outcome:
        case Suspended(failure=Failure() as failure):
            return logging.WARNING, f"failed, goes on where it was: {_error(failure)}", failure
        case Retried(delay=delay, failure=Failure() as failure):
            said = f"failed, runs again in {delay:.0f} s: {_error(failure)}"
            return logging.WARNING, said, failure
        case Dropped(failure=failure):
            return logging.ERROR, f"failed for good, not kept: {_error(failure)}", failure
        case Buried(failure=failure):
            return logging.ERROR, f"failed for good, buried: {_error(failure)}", failure
        case _:
            return logging.INFO, _without_failure(outcome), None


def _without_failure(
    outcome: Succeeded | Retried | Snoozed | Discarded | Released | Suspended,
) -> str:
    match outcome:
        case Succeeded(halted=halted):
            return "halted" if halted else "succeeded"
        case Retried(delay=delay):
            return f"asked to run again in {delay:.0f} s"
        case Snoozed(delay=delay):
            return f"snoozed for {delay:.0f} s"
        case Discarded(reason=reason):
            return f"discarded: {reason[:LONGEST_ERROR]}"
        case Released():
            return "given back"
        case Suspended():
            return "interrupted, goes on where it was"
        case _:
            assert_never(outcome)


def _error(failure: Failure) -> str:
    return f"{failure.error_class}: {failure.message[:LONGEST_ERROR]}"


def _fields(event: Event) -> dict[str, Any]:
    return {"event": event.name, **_of_job(event.job)}


def _of_job(job: Any) -> dict[str, Any]:
    """What names a job and its run, and what travels with it (`jobkit.propagate`)."""
    told = {"job_id": job.id, "job_class": job._plan.name, "queue": job.queue}
    attempt, payload = getattr(job, "executions", 0), getattr(job, "_payload", None)
    if attempt:
        told["attempt"] = attempt
    try:
        context = payload.context if payload is not None else None
    except PayloadError:  # which the run is about to meet
        context = None
    return {**told, "context": context} if context else told


def _of_current_job() -> dict[str, Any]:
    job = current_job()
    return {} if job is None else _of_job(job)


def _arguments(job: Any) -> str:
    """The arguments as a call would have them, the private ones hidden; empty for none."""
    payload: Payload | None = getattr(job, "_payload", None)
    if payload is None or not job._plan.options.log_arguments:
        return ""
    try:
        args, kwargs = shown_arguments(payload)
    except PayloadError:  # which the run is about to meet
        return ""
    named = (f"{printable(name)}={shown(value)}" for name, value in kwargs.items())
    told = ", ".join([*map(shown, args), *named])
    return told if len(told) <= LONGEST_ERROR else told[:LONGEST_ERROR] + "..."


def _error_fields(failure: Failure | None) -> dict[str, str]:
    if failure is None:
        return {}
    message = failure.message[:LONGEST_ERROR]
    return {"error_class": failure.error_class, "error_message": message}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
