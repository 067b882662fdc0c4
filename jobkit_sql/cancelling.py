"""Cancelling jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Text,
    bindparam,
    case,
    func,
    literal,
    select,
    update,
)

from jobkit.adapter import State
from jobkit.cancelling import CANCEL, MARK
from jobkit.capabilities import StoredJob
from jobkit_sql.lending import key_of
from jobkit_sql.placing import PLACE
from jobkit_sql.registry import Registry
from jobkit_sql.store import Store, again_if_undone
from jobkit_sql.tables import OVER, in_state, jobs

__all__ = ["CHECKPOINT", "PUT_BACK", "Cancel"]

_IS_MARKED: Final[ColumnElement[bool]] = func.substr(jobs.c.payload, 1, len(MARK)) == MARK
_MARKABLE: Final[ColumnElement[bool]] = func.substr(jobs.c.payload, 1, 2) == '{"'


def _with_mark(text: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(MARK, Text) + func.substr(text, 2)


def _kept(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """The new text of a row, with the mark if the row has it."""
    return case((_IS_MARKED, _with_mark(text)), else_=text)


_TEXT: Final = bindparam("text", type_=Text())
_DUE: Final = func.coalesce(bindparam("due", type_=Float()), jobs.c.run_at)

CHECKPOINT: Final = update(jobs).values(payload=_kept(_TEXT))
"""Gives a running row new text. Needs a condition."""

_TO_STATE: Final = bindparam("to_state", type_=Text())
_CANCELLED: Final = _IS_MARKED & (State.DEAD.value != _TO_STATE)

PUT_BACK: Final = PLACE.values(
    payload=case((_CANCELLED, _with_mark(_TEXT)), else_=_TEXT),
    state=case((_CANCELLED, State.ENQUEUED.value), else_=_TO_STATE),
    run_at=case((_CANCELLED, jobs.c.run_at), else_=_DUE),
    at=case(
        (_CANCELLED, jobs.c.run_at),
        else_=func.coalesce(bindparam("since", type_=Float()), _DUE),
    ),
)
"""`PLACE` for a row whose run ends: a cancelled one that is not dead is enqueued, to end at once.

For all in one statement. Needs a condition.
"""

_RUNNING: Final = (
    jobs.c.key == bindparam("was_key"),
    jobs.c.at == bindparam("was_at", type_=Float()),
    in_state(State.RUNNING),
)
_HOLDER: Final = (
    select(jobs.c.worker, jobs.c.receipt).where(*_RUNNING, _MARKABLE, ~_IS_MARKED).with_for_update()
)
_SET_MARK: Final = update(jobs).where(*_RUNNING).values(payload=_with_mark(jobs.c.payload))


class Cancel:
    """Removes what waits, and marks what runs."""

    def __init__(
        self, store: Store, registry: Registry, remove: Callable[[Sequence[StoredJob]], int]
    ) -> None:
        """`remove` is the verb `delete`."""
        self._store = store
        self._registry = registry
        self._remove = remove

    def __call__(self, stored: Sequence[StoredJob]) -> int:
        """See `SupportsCancel.cancel`."""
        running = [job for job in stored if job.state is State.RUNNING]
        waiting = [job for job in stored if job.state not in (State.RUNNING, *OVER)]
        marked = self._mark(running) if running else 0
        return marked + (self._remove(waiting) if waiting else 0)

    @again_if_undone
    def _mark(self, running: Sequence[StoredJob]) -> int:
        # In the order in which everybody locks.
        keys = sorted({(key_of(job.locator), job.at) for job in running})
        with self._store.writing() as connection:
            return sum(self._marked(connection, key, at) for key, at in keys)

    def _marked(self, connection: Connection, key: int, at: float) -> bool:
        where = {"was_key": key, "was_at": at}
        held = connection.execute(_HOLDER, where).first()
        if held is None:
            return False
        connection.execute(_SET_MARK, where)
        self._registry.leave_order(connection, held.worker, f"{CANCEL}{key}.{held.receipt}")
        return True
