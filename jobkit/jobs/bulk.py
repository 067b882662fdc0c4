"""Many jobs of one class, from rows of arguments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from jobkit import backends, events, propagation
from jobkit.jobs import enqueueing
from jobkit.jobs.instances import made
from jobkit.jobs.options import Seconds, SetOptions, delay_seconds, moment_seconds
from jobkit.jobs.plan import Plan, plan_of
from jobkit.jobs.writing import PlainWriter, is_plain

__all__ = ["Arguments", "store_rows"]

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]
"""A row: positional and named ones."""

SLICE: Final = 1_000
"""Jobs that go to the store in one call."""


def store_rows(
    job_class: Any, rows: Iterable[Arguments], given: SetOptions, *, spread: Seconds | None = None
) -> int:
    """Enqueue a job for each row, slice by slice as they come; the number stored.

    What it raises carries a note that says how many were stored before.
    """
    window = None if spread is None else delay_seconds(spread)
    plan, context = plan_of(job_class), propagation.captured()
    as_they_are = window is None and not given and is_plain(plan)

    def store(slice_: Sequence[Arguments]) -> int:
        if as_they_are and not enqueueing.is_intercepted():
            return _store_plainly(plan, slice_, context)
        jobs = [made(job_class, args, kwargs, given, plan=plan) for args, kwargs in slice_]
        if window is not None:
            _spread(jobs, window)
        enqueueing.store_many(jobs, context)
        return enqueueing.accepted(jobs)

    return _by_slices(rows, store)


def _by_slices(rows: Iterable[Arguments], store: Callable[[Sequence[Arguments]], int]) -> int:
    stored = 0
    try:
        for each in _slices(iter(rows)):
            stored += store(each)
    except Exception as error:
        error.add_note(f"{stored} jobs of this call were stored before")
        raise
    return stored


def _slices(rows: Iterator[Arguments]) -> Iterator[list[Arguments]]:
    while found := list(islice(rows, SLICE)):
        yield found


def _store_plainly(plan: Plan, rows: Sequence[Arguments], context: Mapping[str, Any]) -> int:
    """Without an instance for each job: nobody would see it."""
    adapter = backends.get(plan.options.backend)
    written = PlainWriter(plan, backends.now(adapter), context)
    enqueueing.put_alike(adapter, plan.name, written(rows))
    events.emit("enqueue_bulk", count=len(rows))
    return len(rows)


def _spread(jobs: Iterable[Any], window: float) -> None:
    for job in jobs:
        given, offset = job._given, random.random() * window
        if given.get("wait_until") is None:
            wait = delay_seconds(given.get("wait") or 0)
            job._given = {**given, "wait": wait + offset}
        else:
            job._given = {**given, "wait_until": moment_seconds(given["wait_until"]) + offset}
