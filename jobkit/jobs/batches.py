"""`Batch`: jobs that belong together, and what is enqueued when they have ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Protocol, Self

from jobkit import backends, transactions
from jobkit.adapter import Enqueues
from jobkit.batching import BatchInfo, Event, NewBatch, batch_of
from jobkit.execution import current
from jobkit.jobs.blocks import Opening, keeps_batches
from jobkit.jobs.enqueueing import adapter_of, callback_payload, store_all
from jobkit.jobs.joining import Block, current_block, open_block
from jobkit.jobs.members import cancel_members, retry_members
from jobkit.payload import Payload, new_id

__all__ = ["Batch", "Made", "batch_of_job", "current_batch", "made_by_new"]

_LONGEST: Final = 500


class Made(Protocol):
    """A job made by `new`."""

    id: str
    successfully_enqueued: bool | None


class Batch:
    """Jobs that belong together. What is enqueued inside its block is a member.

        with Batch(description="Import", on_success=Report.new(7)) as batch:
            for row in rows:
                ImportRow.perform_later(row)

    The jobs are stored when the block is left, with the batch, in one step; a block that is left
    by an error stores nothing. (Of more than 5,000 jobs it hands over what it holds meanwhile, and
    those run already; an error then cancels them.) With `enqueue_in` all of it belongs to the
    transaction.

    The callbacks are jobs made by `new`, each enqueued once: `on_success` when all members have
    succeeded, `on_failure` when the first has failed for good, `on_finish` when all have ended,
    however. A failure that is retried is none yet; a job that is discarded has not failed. A dead
    member that is run again and succeeds makes up for its failure.

    A running member finds its batch as `self.batch`, and adds to it by `with self.batch:`. A batch
    that is opened inside a member, or inside the block of another, is nested: it is a member of
    that one, and so are its callbacks.

    From asyncio: `async with Batch(...)`, and `await aperform_later(...)` inside.
    """

    def __init__(
        self,
        description: str = "",
        *,
        on_success: Made | None = None,
        on_failure: Made | None = None,
        on_finish: Made | None = None,
        parent: Batch | None = None,
        backend: str | None = None,
    ) -> None:
        """`backend` is that of the first job by default. Raises TypeError or ValueError."""
        self.id = new_id()
        self.description = _checked_description(description)
        self._callbacks = _checked_callbacks(
            {Event.SUCCESS: on_success, Event.FAILURE: on_failure, Event.FINISH: on_finish}
        )
        self._parent = parent
        self._adapter = None if backend is None else backends.get(backend)
        self._is_new = True
        self._block: tuple[Opening, Token[Block | None]] | None = None

    @classmethod
    def find(cls, batch_id: str, backend: str = "default") -> Batch | None:
        """The batch with this id; None when there is none, any more."""
        adapter = backends.get(backend)
        info = keeps_batches(adapter).batch(batch_id)
        return None if info is None else cls._known(batch_id, adapter, info.description)

    @classmethod
    def _known(cls, batch_id: str, adapter: Enqueues, description: str = "") -> Batch:
        """A batch that is in the store."""
        batch = cls(description)
        batch.id, batch._adapter, batch._is_new = batch_id, adapter, False
        return batch

    @property
    def parent(self) -> Batch | None:
        """The batch that this one is nested in."""
        if self._parent is None and not self._is_new:
            parent = self.status().parent
            self._parent = None if parent is None else self._known(parent, self._here(None))
        return self._parent

    def status(self) -> BatchInfo:
        """How it stands. Raises LookupError when the store has it no more, or not yet."""
        info = keeps_batches(self._here(None)).batch(self.id)
        if info is None:
            raise LookupError(f"there is no batch {self.id}: it was never stored, or is forgotten")
        return info

    def add(self, *jobs: Made) -> None:
        """Make jobs that `new` made members. Raises BatchFinished when it is too late for that."""
        with self:
            store_all(jobs)

    def cancel(self) -> int:
        """Cancel the members, and those of batches within; the number of those that had not ended.

        See `Job.cancel`. No callback comes but `on_finish`. 0 when it has finished before.
        """
        return cancel_members(self._here(None), self.id)

    def retry_failed(self) -> int:
        """Have the dead members run again, and those of batches within; their number."""
        return retry_members(self._here(None), self.id)

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._left(failed=kind is not None)()

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await transactions.away(self._left(failed=kind is not None))

    def __repr__(self) -> str:
        return f"<Batch {self.id} {self.description!a}>"

    def _open(self) -> None:
        if self._block is not None:
            raise RuntimeError("the block of a batch is entered once at a time")
        outer = current_block()
        around = outer if isinstance(outer, Opening) else None
        opens: NewBatch | None = None
        if self._is_new:
            if self._parent is None:
                self._parent = around.batch if around is not None else _batch_of_current_job()
            opens = self._to_store()
        nested = around if around is not None and around.batch is self._parent else None
        opening = Opening(self, opens, around=nested, adapter=self._here, stop=self._stop)
        self._block = opening, open_block.set(opening)

    def _left(self, *, failed: bool) -> Any:
        """Leave the block; what is to be done then."""
        if self._block is None:
            raise RuntimeError("the block of this batch was not entered")
        opening, token = self._block
        self._block, self._is_new = None, False
        # Entered in another context (a generator run by somebody's thread pool), it goes on
        # standing there.
        with suppress(ValueError):
            open_block.reset(token)
        return opening.drop if failed else opening.commit

    def _to_store(self) -> NewBatch:
        if self._parent is not None and self._adapter is None:
            self._adapter = self._parent._adapter
        first = next(iter(self._callbacks.values()), None)
        adapter = self._adapter or (backends.get("default") if first is None else adapter_of(first))
        parent = None if self._parent is None else self._parent.id
        payloads: dict[Event, Payload] = {}
        for event, job in self._callbacks.items():
            payload = callback_payload(job, adapter, self.id, event, parent)
            if payload is not None:
                payloads[event] = payload
        return NewBatch(self.id, self.description, parent, payloads)

    def _here(self, joining: Enqueues | None) -> Enqueues:
        """The adapter that has the batch: one given, that of its parent, or of its first job."""
        if self._adapter is None:
            self._adapter = joining or backends.get("default")
        return self._adapter

    def _stop(self, adapter: Enqueues) -> None:
        cancel_members(adapter, self.id, forget=True)


stored_batch = Batch._known  # pyright: ignore[reportPrivateUsage] - of this module
"""A batch that is in the store."""


def current_batch() -> Batch | None:
    """The batch whose block is open here, or that of the job that is running."""
    opening = current_block()
    return opening.batch if isinstance(opening, Opening) else batch_of_job(current.get())


def batch_of_job(job: Any) -> Batch | None:
    """The batch that the job is a member of, or whose callback it is."""
    payload: Payload | None = getattr(job, "_payload", None)
    if payload is None:
        return None
    callback = payload.fields.get("callback")
    batch_id = callback.get("batch") if isinstance(callback, Mapping) else batch_of(payload)
    return stored_batch(batch_id, _adapter_of(job)) if batch_id else None


def _batch_of_current_job() -> Batch | None:
    """What a batch is nested in that is opened by a running job: what that is a member of."""
    job: Any = current.get()
    payload: Payload | None = getattr(job, "_payload", None)
    parent = "" if payload is None else batch_of(payload)
    return stored_batch(parent, _adapter_of(job)) if parent else None


def _adapter_of(job: Any) -> Enqueues:
    """The adapter that the job runs from."""
    completion = job._completion
    return adapter_of(job) if completion is None else completion.adapter


def _checked_description(description: object) -> str:
    if not isinstance(description, str) or len(description) > _LONGEST:
        raise TypeError(f"description is {ascii(description)[:200]}: give at most 500 characters")
    return description


def made_by_new(what: str, job: object) -> None:
    """Raise TypeError for what is no job that `new` made."""
    if not hasattr(job, "_given") or isinstance(job, type):
        raise TypeError(f"{what} is {ascii(job)[:200]}: give a job made by new()")


def _checked_callbacks(callbacks: Mapping[Event, Any]) -> dict[Event, Any]:
    given = {event: job for event, job in callbacks.items() if job is not None}
    for event, job in given.items():
        made_by_new(f"on_{event}", job)
        if job._given.get("wait") is not None or job._given.get("wait_until") is not None:
            raise ValueError(f"on_{event} is enqueued when the batch says so: give it no wait")
    return given
