"""Taking jobs as another store had them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.locks import Lock, Until

__all__ = ["SupportsRestore", "lock_of"]


class SupportsRestore(ABC):
    """Can take jobs that wait, or are dead, as they lie in another store."""

    @abstractmethod
    def restore(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        """Store each job in its state, with its text; for each the id of the job it lost to.

        None for what is stored. An enqueued job is as old as its `at` where age is a time, else
        it is younger than what was restored before it; the others keep theirs. A blocked one is
        enqueued, to try. What is here already by its id is left alone and counts as stored,
        wherever it is by now; a store that finds no job by its id (Redis) remembers for a day
        what it restored.

        A unique job that would hold its lock, and cannot have it, loses to the one that does. A
        lock that ends by time is not brought along.
        """


def lock_of(job: StoredJob) -> Lock | None:
    """The lock that the job holds where it waits."""
    lock = Lock.of(job.payload)
    if lock is None or not lock.is_held or job.state is State.DEAD:
        return None
    # Held until the start: not by one that is to be retried.
    return None if lock.until is Until.START and job.state is State.RETRY else lock
