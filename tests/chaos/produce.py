"""A producer, as a process: `python -m tests.chaos.produce SEED BACKLOG LEASE`.

Keeps the queue filled until TERM. In the mix are quick jobs, jobs that fail (half of them for
good), scheduled jobs and jobs longer than a lease.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

from jobkit import EnqueueError, backends, perform_all_later
from jobkit.capabilities import SupportsInspect
from jobkit.errors import AdapterError
from tests.chaos.application import ATTEMPTS, Failing, Lasting, Quick
from tests.chaos.journal import Journal

__all__ = ["MIX", "main"]

MIX: Final = {"quick": 88.0, "cured": 4.0, "doomed": 4.0, "later": 3.0, "lasting": 1.0}
"""Kinds of jobs in per cent: `cured` fails twice and succeeds, `doomed` dies of its failures."""

_SLICE: Final = 40
_LONGEST: Final = 0.005
_LEASES: Final = 3.0
_LATER: Final = 2.0


def main(seed: int, backlog: int, lease: float, journal: Journal) -> None:
    """Enqueue until told to stop."""
    chance = random.Random(seed)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        if _waiting() >= backlog:
            stop.wait(0.02)
        else:
            _enqueue([_job(chance, lease) for _ in range(_SLICE)], journal, chance)


def _waiting() -> int:
    adapter = backends.get_adapter()
    assert isinstance(adapter, SupportsInspect)
    try:
        return adapter.stats().enqueued
    except AdapterError:
        return 0  # the store is away, which enqueueing is to find out


def _job(chance: random.Random, lease: float) -> tuple[str, Any]:
    [kind] = chance.choices(list(MIX), list(MIX.values()))
    seconds = chance.uniform(0, _LONGEST)
    match kind:
        case "cured":
            return kind, Failing.new(seconds, ATTEMPTS)
        case "doomed":
            return kind, Failing.new(seconds, ATTEMPTS + 1)
        case "later":
            return kind, Quick.set(wait=chance.uniform(0, _LATER)).new(seconds)
        case "lasting":
            return kind, Lasting.new(_LEASES * lease)
        case _:
            return kind, Quick.new(seconds)


def _enqueue(jobs: list[tuple[str, Any]], journal: Journal, chance: random.Random) -> None:
    """All at once, or sometimes one by one."""
    slices = [jobs] if chance.random() < 0.8 else [[job] for job in jobs[:5]]
    for some in slices:
        journal.write_all([("intend", job.id, kind) for kind, job in some])
        try:
            perform_all_later([job for _, job in some])
        except EnqueueError as error:
            journal.write_all([("refused", job.id, type(error).__name__) for _, job in some])
        else:
            journal.write_all([("stored", job.id) for _, job in some])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Journal(Path(sys.argv[4])))
