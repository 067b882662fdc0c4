"""What waits for the end of a transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jobkit.errors import EnqueueError

__all__ = ["Kept", "drop", "send"]

_log = logging.getLogger("jobkit")


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing to do when the root transaction has committed, or when that cannot happen any more.

    `jobs` is how many jobs it stands for.
    """

    committed: Callable[[], object]
    dropped: Callable[[], object]
    jobs: int = 0


def send(kept: Iterable[Kept]) -> None:
    """Do what waited for the commit, in order, each whatever became of the others.

    Raises EnqueueError when something was not stored: the transaction stays committed.
    """
    tried = list(kept)
    failed = [(each, error) for each in tried if (error := _failure(each)) is not None]
    if failed:
        count, first = sum(each.jobs for each, _ in failed), failed[0][1]
        raise EnqueueError(
            f"the transaction was committed, but {count} of the {sum(each.jobs for each in tried)} "
            f"jobs that waited for it were not stored: {first}"
        ) from first


def drop(kept: Iterable[Kept]) -> None:
    """Do what is to be done where no commit will come."""
    for each in kept:
        each.dropped()


def _failure(kept: Kept) -> Exception | None:
    try:
        kept.committed()
    except Exception as error:  # noqa: BLE001 - callbacks of the application run here too
        # Only the first is raised to the caller, and the others must not vanish.
        _log.error("%d jobs were not stored after the commit: %s", kept.jobs, error)
        return error
    return None
