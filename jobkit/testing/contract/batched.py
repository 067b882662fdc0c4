"""Batches and their members, for the tests of the contract."""

from __future__ import annotations

from typing import Any, Final

from jobkit.adapter import Ack, Adapter
from jobkit.batching import BatchInfo, Event, NewBatch, SupportsBatches
from jobkit.payload import Payload, new_id
from jobkit.testing.contract.support import claim, payload, peek

__all__ = ["came", "counts", "finish", "member", "new_batch", "opened", "standing"]


def new_batch(*, parent: str | None = None, **callbacks: str) -> NewBatch:
    """A batch that has a job in that queue enqueued for each event that is named."""
    jobs = {Event(event): payload(queue=queue, bid=parent) for event, queue in callbacks.items()}
    return NewBatch(new_id(), "a batch", parent, jobs)


def member(batch: NewBatch, **fields: Any) -> Payload:
    """A job that is to be in the batch."""
    return payload(bid=batch.id, **fields)


def opened(
    store: SupportsBatches, number: int = 1, *, parent: str | None = None, closes: bool = True
) -> NewBatch:
    """A stored batch of so many jobs, with every callback in the queue of that name."""
    batch = new_batch(parent=parent, success="success", failure="failure", finish="finish")
    jobs = [member(batch) for _ in range(number)]
    assert store.enqueue_batch(batch.id, jobs, opens=batch, closes=closes) == [None] * number
    return batch


def standing(store: SupportsBatches, batch: NewBatch) -> BatchInfo:
    """How the batch stands."""
    found = store.batch(batch.id)
    assert found is not None, "the batch is not there"
    return found


def counts(store: SupportsBatches, batch: NewBatch) -> tuple[int, int, int, int]:
    """Its members: all, pending, succeeded and failed."""
    found = standing(store, batch)
    return found.total, found.pending, found.succeeded, found.failed


_QUEUES: Final = ("failure", "success", "finish")


def came(adapter: Adapter) -> list[str]:
    """The queues in which there are callbacks: a letter more for each that there is too many."""
    return [queue for queue in _QUEUES for _ in peek(adapter, queue)]


def finish(adapter: Adapter, worker: str) -> None:
    """Have everything in `default` succeed."""
    assert adapter.settle([Ack(each) for each in claim(adapter, worker)]) == []
