"""Logging as the command line sets it up: a line on stderr for each thing that happens.

Loaded by supervisors, which run no jobs: see `jobkit.cli.logs` for the processes that do.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from jobkit.cli.output import printable
from jobkit.cli.stderr import Stderr
from jobkit.errors import PayloadError
from jobkit.holding import current

__all__ = ["FIELDS", "JsonFormatter", "TextFormatter", "of_job", "set_up"]

FIELDS: Final = "jobkit"
"""The attribute under which a record carries what is known of its job."""


def set_up(level: str, form: str, *, batched: bool = False) -> None:
    """Write what is of `level` or above to stderr, as "text" or "json". May be called again.

    With `batched` by a thread, a little later: for processes that end by `logging.shutdown`.

    Where the application gave the root logger handlers of its own, only the level of jobkit's own
    loggers is set.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger("jobkit").setLevel(number)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Stderr)]:
        root.removeHandler(handler)
        handler.close()
    if not root.handlers:
        formatter = JsonFormatter() if form == "json" else TextFormatter()
        root.addHandler(Stderr(formatter, batched=batched))
        root.setLevel(number)
        # At INFO it would write every statement, with every job's arguments.
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """Time, level, logger, message. Whatever a job's author or caller wrote stays on its line."""

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record.created, record.levelname, record.name, record.getMessage())
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        # Indented, so that no message of an error can pose as a record.
        return "\n    ".join([line, *map(printable, trace.splitlines())])

    def line(self, at: float, level: str, logger: str, message: str) -> str:
        return f"{_time(at)} {level:<8} {logger}: {printable(message)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a job itself logs names the job, too."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, FIELDS, None) or _of_current_job()
        if record.exc_info:
            fields = {**fields, "traceback": self.formatException(record.exc_info)}
        return self.line(record.created, record.levelname, record.name, record.getMessage(), fields)

    def line(
        self, at: float, level: str, logger: str, message: str, fields: Mapping[str, Any]
    ) -> str:
        return _json(
            {
                "time": _time(at),
                "level": level.lower(),
                "logger": logger,
                "message": message,
                **fields,
            }
        )


def of_job(job: Any) -> dict[str, Any]:
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
    job = current.get()
    return {} if job is None else of_job(job)


def _time(at: float) -> str:
    """The moment in UTC, to the millisecond."""
    second, micros = divmod(round(at * 1e6), 1_000_000)
    return f"{_second(second)}.{micros // 1000:03}Z"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


_json = json.JSONEncoder(default=str).encode
