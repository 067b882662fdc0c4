"""The log of a process that runs jobs: lines for what becomes of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import time
from typing import Any, Final, assert_never, cast

from jobkit import events
from jobkit.arguments import shown
from jobkit.cli import lines
from jobkit.cli.lines import FIELDS, JsonFormatter, TextFormatter, of_job
from jobkit.cli.output import printable
from jobkit.cli.stderr import Stderr
from jobkit.errors import PayloadError
from jobkit.events import Event
from jobkit.jobs.stored import shown_arguments
from jobkit.outcome import (
    SUCCEEDED,
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

_log = logging.getLogger("jobkit.jobs")


def set_up(level: str, form: str, *, batched: bool = False) -> None:
    """`lines.set_up`, for a process that runs jobs: with a line for each run's start and end."""
    lines.set_up(level, form, batched=batched)
    events.unsubscribe(log_run)
    events.unsubscribe(log_failure)
    # No more than is written: events nobody hears cost the worker nothing.
    if _log.isEnabledFor(logging.INFO):
        events.subscribe(log_run, names=("perform_start", "perform"))
    elif _log.isEnabledFor(logging.ERROR):
        events.subscribe(log_failure, names=("perform",))


def log_run(event: Event) -> None:
    """Subscriber: a line when a run starts and one when it ends."""
    if event.name == "perform":
        _log_end(event)
    elif event.name == "perform_start" and _log.isEnabledFor(logging.INFO):
        _write(logging.INFO, event, "started", _start_fields)


def log_failure(event: Event) -> None:
    """Subscriber: a line when a run fails."""
    if event.name == "perform" and isinstance(event.data["outcome"], Retried | Dropped | Buried):
        _log_end(event)


def _log_end(event: Event) -> None:
    outcome: Outcome = event.data["outcome"]
    level, said, _ = (logging.INFO, "succeeded", None) if outcome is SUCCEEDED else _told(outcome)
    if _log.isEnabledFor(level):
        duration = event.duration or 0.0
        _write(level, event, f"ended after {duration:.3f} s: {said}", _end_fields)


def _write(level: int, event: Event, said: str, more: Callable[[Event], Mapping[str, Any]]) -> None:
    """Write a line of a run; `more` makes the fields that only its kind of line has."""
    job = event.job
    name, attempt = f"{job._plan.name} {job.id}", getattr(job, "executions", 0)
    nth = f" (attempt {attempt})" if attempt > 1 else ""
    handler = _alone(level)
    if handler is None:
        told = {**_fields(event), **more(event)}
        _log.log(level, "%s from %s%s %s", name, job.queue, nth, said, extra={FIELDS: told})
        return
    # The same line without a record, which costs more than the job.
    message = f"{name} from {job.queue}{nth} {said}"
    head = (time(), logging.getLevelName(level), _log.name, message)
    formatter = handler.formatter
    if isinstance(formatter, JsonFormatter):
        line = formatter.line(*head, {**_fields(event), **more(event)})
    else:
        line = cast("TextFormatter", formatter).line(*head)
    handler.line(line, at_once=level >= logging.WARNING)


def _alone(level: int) -> Stderr | None:
    """Our handler where nobody else has a say in what the jobs' logger writes."""
    above, root = _log.parent, logging.getLogger()
    if _log.handlers or _log.filters or not _log.propagate or len(root.handlers) != 1:
        return None
    if above is not root and (above is None or above.handlers or not above.propagate):
        return None
    handler = root.handlers[0]
    if not isinstance(handler, Stderr) or type(handler.formatter) not in _OURS:
        return None
    if handler.filters or handler.level > level:
        return None
    return handler if logging.getLogRecordFactory() is logging.LogRecord else None


def _start_fields(event: Event) -> Mapping[str, Any]:
    told = _arguments(event.job)
    return {"arguments": told} if told else {}


def _end_fields(event: Event) -> Mapping[str, Any]:
    outcome: Outcome = event.data["outcome"]
    _, _, failure = _told(outcome)
    return {
        "duration": round(event.duration or 0.0, 6),
        "outcome": type(outcome).__name__.lower(),
        **_error_fields(failure),
    }


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
    return {"event": event.name, **of_job(event.job)}


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


_OURS: Final = (TextFormatter, JsonFormatter)
