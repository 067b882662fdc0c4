"""Counts what a plain job calls, and tells it as JSON: `python -m tests.integration.costing URL`.

Under "all" everything, else by the modules of features.

A program of its own: profiling wants a thread that nothing was ever raised in from outside.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from jobkit import Job, backends, configure
from jobkit.adapter import Adapter, Settlement
from jobkit.clock import SYSTEM
from jobkit.payload import Payload
from jobkit.worker.performing import Performer

JOBS: Final = 200
"""Claimed and settled together."""

FEATURES: Final = {
    *("batching", "batches", "enqueue_batch", "cancelling", "limits", "limiting", "quotas"),
    *("measures", "measuring", "progress", "results", "resulting", "steps", "ticks", "ticking"),
    *("unique", "uniqueness", "locking", "encryption", "isolation", "timed", "strays"),
}
"""The modules that have what only some jobs use."""


class Plain(Job, name="plain"):
    def perform(self, number: int) -> None: ...


@contextmanager
def calls() -> Generator[Counter[str]]:
    """Counts the calls of Python functions in this thread, by where they are."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            counted[frame.f_code.co_filename] += 1

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


def payloads() -> list[Payload]:
    fields = {"class": "plain", "queue": "default", "retry": True, "created_at": 1.0, "v": 1}
    return [
        Payload(json.dumps({**fields, "args": [number], "jid": f"{number:032x}"}))
        for number in range(JOBS)
    ]


def run_through(adapter: Adapter) -> list[Settlement]:
    """Enqueue, claim, perform and settle them; what was settled."""
    performer = Performer(adapter, SYSTEM, lambda _: None)
    adapter.enqueue(payloads())
    claims = adapter.claim(["default"], limit=JOBS, worker="w")
    settlements = [performer.perform(claim) for claim in claims]
    done = [each for each in settlements if isinstance(each, Settlement)]
    assert adapter.settle(done) == []
    return done


def of_features(counted: Counter[str]) -> Counter[str]:
    """By module: those in whose path a feature's name is."""
    found: Counter[str] = Counter()
    for path, number in counted.items():
        if FEATURES & {*Path(path).with_suffix("").parts}:
            found[path] += number
    return found


def main(url: str) -> None:
    """Print how often a job calls into each of the features' modules."""
    configure(url=url)
    with closing(backends.get_adapter()) as adapter:
        adapter.beat("w", lease=30, claims=[], register=True)
        run_through(adapter)  # what is done once in a process is not what a job costs
        with calls() as counted:
            done = run_through(adapter)
        assert len(done) == JOBS
    told = {**of_features(counted), "all": counted.total()}
    print(json.dumps({path: number / JOBS for path, number in told.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
