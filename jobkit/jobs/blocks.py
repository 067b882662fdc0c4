"""One block of a batch: it holds what is enqueued inside, and stores it when it is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from jobkit import events, transactions
from jobkit.adapter import Enqueues
from jobkit.batching import NewBatch, SupportsBatches
from jobkit.capabilities import require
from jobkit.errors import AdapterError, ConfigurationError, EnqueueError
from jobkit.jobs.enqueueing import mark, mark_lost
from jobkit.payload import Payload
from jobkit.transactions import Scope

__all__ = ["Opening", "keeps_batches"]

_HELD: Final = 5_000
"""Jobs that a block holds: what is more goes to the store before it is left."""

Held = tuple[Any, Payload]


def keeps_batches(adapter: Enqueues) -> SupportsBatches:
    """The adapter as one that keeps batches. Raises Unsupported."""
    return require(adapter, SupportsBatches, "batches")  # type: ignore[type-abstract]


class Opening:
    """A block from when it is entered. `opens` is the batch that it brings, None if it is there."""

    def __init__(
        self,
        batch: Any,
        opens: NewBatch | None,
        *,
        around: Opening | None,
        adapter: Callable[[Enqueues | None], Enqueues],
        stop: Callable[[Enqueues], object],
    ) -> None:
        """`around` is the block whose batch this one is nested in, if that is still to be stored.

        `adapter` is asked with the first job's; `stop` ends what was stored of a block in vain.
        """
        self.batch = batch
        self._opens = opens
        self._closes = opens is not None
        self._around = around
        self._adapter = adapter
        self._stop = stop
        self._lock = threading.RLock()
        self._held: list[Held] = []
        self._inner: list[Opening] = []
        self._stored = 0

    @property
    def id(self) -> str:
        return str(self.batch.id)

    @property
    def is_unstored(self) -> bool:
        """True while the batch itself is still to be stored."""
        return self._opens is not None

    def take(self, adapter: Enqueues, jobs: Sequence[Held]) -> None:
        """Hold these jobs."""
        with self._lock:
            if jobs and self._adapter(adapter) is not adapter:
                raise ConfigurationError(
                    f"{jobs[0][1].job_class} has another backend than the batch it is to be in: "
                    "a batch and its jobs are in one"
                )
            for job, _ in jobs:
                job.successfully_enqueued = None
            self._held += jobs
            if len(self._held) >= _HELD and self._may_hand_over():
                self._hand_over(None)

    def drop(self) -> None:
        """The block was left by an error, or its transaction ended otherwise: nothing is stored."""
        for job, _ in self._held:
            job.successfully_enqueued = False
        self._held.clear()
        for inner in self._inner:
            inner.drop()
        if self._stored and self._closes:
            self._stop(self._adapter(None))

    def commit(self) -> None:
        """Store what the block holds: now, with the block around it, or after a commit."""
        if self._around is not None and self._around.is_unstored:
            self._around._inner.append(self)
            return
        scope = transactions.current()
        adapter = self._adapter(None)
        if scope is None or self._is_part_of(scope, adapter):
            self._send(scope)
        else:
            self._drop_until_sent(scope)

    def _drop_until_sent(self, scope: Scope) -> None:
        scope.keep(partial(self._send, None), dropped=self.drop, jobs=self._count())

    def _is_part_of(self, scope: Scope, adapter: Enqueues) -> bool:
        """True when all of it is inserted through the transaction, not sent after the commit."""
        later = any(job._plan.options.after_commit for job, _ in self._held)
        return scope.shares(adapter) and not later

    def _may_hand_over(self) -> bool:
        """True while what was handed over could be taken back.

        Not inside a transaction: nobody sees its jobs before it ends, this process's other
        connections neither, and it may go on after an error in the block.
        """
        nested = self._around is not None and self._around.is_unstored
        return not nested and transactions.current() is None

    def _send(self, scope: Scope | None) -> None:
        """In one step, if there are no blocks within."""
        if self._inner:
            self._put([], scope)
        self._go_on(scope)

    def _go_on(self, scope: Scope | None) -> None:
        """Store the jobs, after the batches that are nested in this one, before their jobs.

        So nothing runs before what waits for it is there, and a chain begins with its last step.
        """
        for inner in self._inner:
            inner._put([], scope)
        self._hand_over(scope, closes=self._closes)
        events.emit("enqueue_bulk", count=self._stored)
        for inner in self._inner:
            inner._go_on(scope)

    def _hand_over(self, scope: Scope | None, *, closes: bool = False) -> None:
        held, self._held = self._held, []
        for job, _ in held:
            job.successfully_enqueued = False  # until it is stored
        winners = self._put([payload for _, payload in held], scope, closes=closes)
        adapter = self._adapter(None)
        for (job, payload), winner in zip(held, winners, strict=True):
            if winner is None:
                mark(job, payload)
                self._stored += 1
            else:
                mark_lost(job, adapter, winner)

    def _put(
        self, payloads: Sequence[Payload], scope: Scope | None, *, closes: bool = False
    ) -> Sequence[str | None]:
        if not (payloads or self._opens or closes):
            return ()
        adapter = self._adapter(None)
        through = None if scope is None else scope.connection_to(adapter)
        try:
            winners = keeps_batches(adapter).enqueue_batch(
                self.id, payloads, opens=self._opens, closes=closes, through=through
            )
        except AdapterError as error:
            raise EnqueueError(f"the batch was not stored: {error}") from error
        self._opens = None
        return winners

    def _count(self) -> int:
        return len(self._held) + sum(inner._count() for inner in self._inner)
