"""`InlineAdapter`: an enqueue runs the job at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jobkit.adapter import Retention, State
from jobkit.batching import NewBatch
from jobkit.clock import Clock
from jobkit.payload import Payload
from jobkit_inline.stage import MOST_RUNS, Stage, named

__all__ = ["InlineAdapter"]

_REMEMBERED: Final = 1_000
"""Runs, so that a program that always runs inline does not grow."""


class InlineAdapter(Stage):
    """Runs each job while it is enqueued, in the caller's thread, and keeps nothing.

    The payload makes its way through JSON, and callbacks, middleware and rules hold; delays do
    not. A `retry_on` rule runs the job again at once until its attempts are used up, then the
    error is raised to the caller; so is, after one run, an error that no rule names. What the
    job says itself (`RetryJob`, `SnoozeJob`, `DiscardJob`, `BuryJob`) is no error.

        with use_adapter(InlineAdapter()):
            sign_up("ada@example.org")
    """

    def __init__(self, *, clock: Clock | None = None, retention: Retention | None = None) -> None:
        super().__init__(clock=clock, retention=retention, runs=_REMEMBERED)

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        """Run the jobs, one after the other; one that raises leaves those behind it unstored."""
        for payload in payloads:
            # What the class says of retries is for workers; the payload's word wins over it. Nobody
            # runs beside it, and it waits for nobody.
            [job_id] = self._add([payload.replace(retry=False, limits=None)])
            self._perform_whole(job_id)

    def enqueue_unique(
        self, payloads: Sequence[Payload], *, through: Any = None
    ) -> list[str | None]:
        """Run those that have their locks: a job has ended before the next one comes."""
        del through  # no transaction of anybody's reaches here
        lost: list[str | None] = []
        for payload in payloads:
            winners, stored = self._add_unique([payload.replace(retry=False, limits=None)])
            lost += winners
            for job_id in stored:
                self._perform_whole(job_id)
        return lost

    def enqueue_batch(
        self,
        batch: str,
        payloads: Sequence[Payload],
        *,
        opens: NewBatch | None = None,
        closes: bool = False,
        through: Any = None,
    ) -> list[str | None]:
        """Run the members one after the other, and each callback when its time has come."""
        given = [each.replace(retry=False, limits=None) for each in named(payloads)]
        lost: list[str | None] = []
        super().enqueue_batch(batch, [], opens=opens, through=through)
        for payload in given:
            lost += super().enqueue_batch(batch, [payload], through=through)
            if lost[-1] is None:
                self._perform_whole(payload.id)
        if closes:
            super().enqueue_batch(batch, [], closes=True, through=through)
            self._perform_fired()
        return lost

    def _perform_fired(self) -> None:
        for job_id in self._fired():
            self._perform_whole(job_id)

    def _perform_whole(self, job_id: str) -> None:
        try:
            self._perform(job_id)
        finally:
            self._forget(job_id)
        self._perform_fired()

    def _perform(self, job_id: str) -> None:
        for _ in range(MOST_RUNS):
            performed = self._run(job_id)
            if performed is None:
                return
            if performed.error is not None:
                raise performed.error
        raise RuntimeError(
            f"a job asked {MOST_RUNS} times in a row to be run again: delays are ignored inline, "
            "so what it waits for never comes"
        )

    def _forget(self, job_id: str) -> None:
        """Remove the job from the dead set, or from where an error left it."""
        with self._lock:
            job = self._store.find(job_id)
            # One that runs was enqueued within itself, by an idempotency key: it is not ours.
            if job is not None and job.state is not State.RUNNING:
                self._store.remove(job)
