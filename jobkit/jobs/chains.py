"""`chain`: jobs one after the other, each enqueued when the one before it has succeeded."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from jobkit import transactions
from jobkit.jobs.batches import Batch, Made, made_by_new
from jobkit.jobs.enqueueing import store_all

__all__ = ["Chain", "chain"]

_SHOWN = 3


def chain(*jobs: Made, description: str = "") -> Chain:
    """Jobs made by `new`, of which each is enqueued when the one before it has succeeded.

        chain(Fetch.new(1), Resize.new(1), Publish.new(1)).perform_later()

    One that fails for good stops the chain; when it is run again from the dead set and succeeds,
    the chain goes on. Raises TypeError or ValueError for what is no such job; only the first may
    wait for a time.
    """
    return Chain(jobs, description)


class Chain:
    """What `chain` returns: to be enqueued once."""

    def __init__(self, jobs: tuple[Made, ...], description: str) -> None:
        if not jobs:
            raise ValueError("a chain has at least one job")
        for job in jobs:
            made_by_new("a job of the chain", job)
        self._first = jobs[0]
        # A chain is a nest: within, the batch of the first job, whose success enqueues the second
        # as a member of the batch around it, whose success enqueues the third.
        self._links = [
            Batch(f"{_name(before)}, then {_name(job)}", on_success=job)
            for before, job in pairwise(jobs)
        ]
        self._whole = Batch(description or _described(jobs))

    def perform_later(self) -> Batch:
        """Store the chain, and return the batch that finishes with it."""
        self._store([self._whole, *reversed(self._links)])
        return self._whole

    async def aperform_later(self) -> Batch:
        """`perform_later` without blocking the event loop."""
        return await transactions.away(self.perform_later)

    def _store(self, around: list[Batch]) -> None:
        with around[0]:
            if len(around) > 1:
                self._store(around[1:])
            else:
                store_all([self._first])


def _name(job: Any) -> str:
    return str(job._plan.name).rpartition(".")[2]


def _described(jobs: tuple[Made, ...]) -> str:
    shown = ", ".join(_name(job) for job in jobs[:_SHOWN])
    more = len(jobs) - _SHOWN
    return f"chain of {shown}" + (f" and {more} more" if more > 0 else "")
