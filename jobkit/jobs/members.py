"""Operating on the members of a stored batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from jobkit import backends
from jobkit.adapter import Enqueues, State
from jobkit.batching import Members
from jobkit.cancelling import SupportsCancel
from jobkit.capabilities import SupportsInspect, require
from jobkit.jobs.blocks import keeps_batches
from jobkit.jobs.cancelling import cancel
from jobkit.jobs.reviving import to_run

__all__ = ["cancel_members", "retry_members"]


def cancel_members(adapter: Enqueues, batch_id: str, *, forget: bool = False) -> int:
    """Cancel a batch and its members; the number of those that had not ended, nested ones too.

    Where the adapter cannot cancel jobs, those that run are let be.
    """
    store = keeps_batches(adapter)
    if not store.cancel_batch(batch_id, forget=forget):
        return 0
    change = partial(cancel, adapter) if isinstance(store, SupportsCancel) else _discard(adapter)
    return _each(adapter, batch_id, change, cancel_members, failed=False)


def _discard(adapter: Enqueues) -> Callable[[Sequence[str]], int]:
    inspect = require(adapter, SupportsInspect, "inspection")  # type: ignore[type-abstract]
    manage = keeps_batches(adapter).operated()

    def discard(ids: Sequence[str]) -> int:
        return manage.delete([job for job in inspect.find(ids) if job.state is not State.RUNNING])

    return discard


def retry_members(adapter: Enqueues, batch_id: str) -> int:
    """Have the dead members of a batch run again; their number, nested ones included."""
    inspect = require(adapter, SupportsInspect, "inspection")  # type: ignore[type-abstract]
    manage = keeps_batches(adapter).operated()

    def run(ids: Sequence[str]) -> int:
        now = backends.now(adapter)
        moves = [to_run(job, now) for job in inspect.find(ids) if job.state is State.DEAD]
        return manage.move([move for move in moves if move is not None])

    return _each(adapter, batch_id, run, retry_members, failed=True)


def _each(
    adapter: Enqueues,
    batch_id: str,
    change: Callable[[Sequence[str]], int],
    within: Callable[[Enqueues, str], int],
    *,
    failed: bool,
) -> int:
    changed = 0
    for members in _pages(adapter, batch_id, failed=failed):
        if members.jobs:
            changed += change(members.jobs)
        changed += sum(within(adapter, nested) for nested in members.batches)
    return changed


def _pages(adapter: Enqueues, batch_id: str, *, failed: bool) -> Iterator[Members]:
    store = keeps_batches(adapter)
    after: str | None = None
    while True:
        members = store.members(batch_id, failed=failed, after=after)
        yield members
        if members.next is None:
            return
        after = members.next
