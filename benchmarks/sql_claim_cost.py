"""What a claim costs on SQLite beside rows that do not concern it.

Two files, one with nothing else in it and one with 100,000 future jobs, 100,000 of another queue
and the dead, are claimed from in turns, so that both see the same machine. Prints the medians,
their ratio, and what a second of enqueueing and working brings. Fails above a ratio of 1.5.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

from jobkit.adapter import Ack, Bury
from jobkit.payload import Payload, new_id
from jobkit_sql import SqlAdapter

__all__ = ["main"]

_OTHERS: Final = 100_000
_DEAD: Final = 10_000
_BATCH: Final = 100
_ROUNDS: Final = 300
_SLICE: Final = 1_000
_ALLOWED: Final = 1.5


def job(queue: str = "default", **fields: object) -> Payload:
    now = time.time()
    usual = {"class": "app.jobs.Mail", "jid": new_id(), "queue": queue, "args": [1, "hello"]}
    return Payload.of({**usual, "created_at": now, "enqueued_at": now, "v": 1, **fields})


def store(folder: Path, name: str) -> SqlAdapter:
    adapter = SqlAdapter(f"sqlite:///{folder / name}")
    adapter.beat("worker", lease=600, claims=[], register=True)
    return adapter


def fill(adapter: SqlAdapter) -> None:
    for _ in range(_OTHERS // _SLICE):
        adapter.enqueue([job(scheduled_at=time.time() + 86_400) for _ in range(_SLICE)])
        adapter.enqueue([job("other") for _ in range(_SLICE)])
    for _ in range(_DEAD // _SLICE):
        adapter.enqueue([job("dead") for _ in range(_SLICE)])
        claims = adapter.claim(["dead"], limit=_SLICE, worker="worker")
        adapter.settle([Bury(claim, claim.payload) for claim in claims])


def claim_seconds(adapter: SqlAdapter) -> float:
    """One claim of a full batch, its jobs enqueued before and acked behind it."""
    adapter.enqueue([job() for _ in range(_BATCH)])
    began = time.perf_counter()
    claims = adapter.claim(["first", "default"], limit=_BATCH, worker="worker")
    seconds = time.perf_counter() - began
    assert len(claims) == _BATCH
    adapter.settle([Ack(claim) for claim in claims])
    return seconds


def side_by_side(empty: SqlAdapter, full: SqlAdapter) -> float:
    times = [(claim_seconds(empty), claim_seconds(full)) for _ in range(_ROUNDS)]
    alone = median(seconds for seconds, _ in times)
    beside = median(seconds for _, seconds in times)
    print(f"claim of {_BATCH}, empty table        {alone * 1e3:8.2f} ms")
    print(f"claim of {_BATCH}, 210,000 other rows {beside * 1e3:8.2f} ms")
    print(f"ratio {beside / alone:.2f}, allowed {_ALLOWED}")
    return beside / alone


def throughput(adapter: SqlAdapter) -> None:
    number = 20 * _SLICE
    slices = [[job() for _ in range(_SLICE)] for _ in range(number // _SLICE)]
    began = time.perf_counter()
    for each in slices:
        adapter.enqueue(each)
    enqueued = time.perf_counter()
    while claims := adapter.claim(["default"], limit=_BATCH, worker="worker"):
        adapter.settle([Ack(claim) for claim in claims])
    worked = time.perf_counter()
    print(f"enqueue {_SLICE} at a time  {number / (enqueued - began):10,.0f} jobs/s")
    print(f"claim and ack {_BATCH}      {number / (worked - enqueued):10,.0f} jobs/s")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(store(folder, "empty.db")) as empty, closing(store(folder, "full.db")) as full:
            throughput(empty)
            fill(full)
            ratio = side_by_side(empty, full)
    assert ratio <= _ALLOWED, "a claim reads rows that do not concern it"


if __name__ == "__main__":
    main()
