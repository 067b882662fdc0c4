"""A payload's place among the rows: the columns that its envelope decides."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Float, Integer, Text, Update, bindparam, func, update

from jobkit.adapter import State
from jobkit.errors import PayloadError
from jobkit.payload import Payload, new_id
from jobkit_sql.tables import jobs

__all__ = ["COMMON", "NEW", "OWN", "PLACE", "new_row", "new_values", "place"]

#: What stays None keeps its column as it was.
PLACE: Update = update(jobs).values(
    state=bindparam("to_state", type_=Text()),
    payload=bindparam("text", type_=Text()),
    queue=func.coalesce(bindparam("to_queue", type_=Text()), jobs.c.queue),
    priority=func.coalesce(bindparam("to_priority", type_=BigInteger()), jobs.c.priority),
    job_class=func.coalesce(bindparam("to_class", type_=Text()), jobs.c.job_class),
    deliveries=func.coalesce(bindparam("loans", type_=Integer()), jobs.c.deliveries),
    run_at=func.coalesce(bindparam("due", type_=Float()), jobs.c.run_at),
    at=func.coalesce(
        bindparam("since", type_=Float()), bindparam("due", type_=Float()), jobs.c.run_at
    ),
    worker=None,
    receipt=None,
)
"""Puts rows that are not running, or whose claim ends here, elsewhere. Needs a condition."""

NEW: Final = (
    "id",
    "state",
    "queue",
    "priority",
    "job_class",
    "run_at",
    "at",
    "deliveries",
    "payload",
)
"""The columns of a new row, in the order of `new_values`."""

OWN: Final = ("id", "payload")
"""Those that differ among jobs which are alike."""

COMMON: Final = tuple(name for name in NEW if name not in OWN)
"""Those that do not."""

_ENQUEUED: Final = State.ENQUEUED.value
_SCHEDULED: Final = State.SCHEDULED.value

_UNREADABLE = {"to_queue": None, "to_priority": None, "to_class": None, "loans": None}


def new_row(payload: Payload, now: float) -> dict[str, Any]:
    """The row of a job that arrives. Raises PayloadError for text that is no job."""
    return dict(zip(NEW, new_values(payload, now), strict=True))


def new_values(payload: Payload, now: float) -> tuple[Any, ...]:
    """The same as the values of `NEW`."""
    fields = payload.fields  # what is not there, or as it should be, needs no reader
    job_id, queue, job_class = fields.get("jid"), fields.get("queue"), fields.get("class")
    due = payload.scheduled_at if "scheduled_at" in fields else None
    waits = due is not None and due > now
    run_at = due if waits else now
    return (
        (job_id if type(job_id) is str else payload.id) or new_id(),
        _SCHEDULED if waits else _ENQUEUED,
        queue if type(queue) is str else payload.queue,
        payload.priority if "priority" in fields else 0,
        job_class if type(job_class) is str else payload.job_class,
        run_at,
        run_at,
        payload.deliveries if "deliveries" in fields else 0,
        payload.text,
    )


def place(payload: Payload, state: State, now: float, *, head: bool = False) -> dict[str, Any]:
    """The parameters of `PLACE`. An envelope that cannot be read leaves its columns as they are.

    With `head` an enqueued row keeps its age; otherwise it is as old as `now`.
    """
    try:
        columns, scheduled_at = _envelope(payload), payload.scheduled_at
    except PayloadError:
        columns, scheduled_at = _UNREADABLE, None
    return {
        **columns,
        "to_state": state.value,
        "text": payload.text,
        "due": _due(state, scheduled_at, now, head=head),
        "since": now if state is State.DEAD else None,
    }


def _envelope(payload: Payload) -> dict[str, Any]:
    return {
        "to_queue": payload.queue,
        "to_priority": payload.priority,
        "to_class": payload.job_class,
        "loans": payload.deliveries,
    }


def _due(state: State, scheduled_at: float | None, now: float, *, head: bool) -> float | None:
    if state is State.DEAD or (state is State.ENQUEUED and head):
        return None
    if state is State.ENQUEUED or scheduled_at is None:
        return now
    return scheduled_at
