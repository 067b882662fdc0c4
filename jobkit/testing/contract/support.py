"""Payloads and short ways to the verbs, for the tests of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, Final, TypeVar

from jobkit.adapter import Adapter, Claim, Presence, Pulse, State
from jobkit.capabilities import JobFilter, StoredJob, SupportsInspect
from jobkit.payload import VERSION, Payload, new_id

__all__ = [
    "all_jobs",
    "beats",
    "claim",
    "claim_one",
    "enqueue",
    "flat",
    "ids",
    "limited",
    "pages",
    "payload",
    "peek",
    "presence",
    "promote",
    "pulse",
    "register",
    "snapshot",
    "unstamped",
]

T = TypeVar("T")

_EVERYTHING: Final = 10_000


def payload(**fields: Any) -> Payload:
    """A payload as the core writes them, with these fields changed; None leaves one out."""
    usual = {
        "class": "contract.Job",
        "args": [1, "two"],
        "jid": new_id(),
        "queue": "default",
        "retry": True,
        "created_at": 1_699_999_999.5,
        "v": VERSION,
    }
    return Payload.of(usual | fields)


def enqueue(adapter: Adapter, **fields: Any) -> Payload:
    """Store one job with these fields."""
    job = payload(**fields)
    adapter.enqueue([job])
    return job


def limited(adapter: Adapter, *limits: dict[str, Any], **fields: Any) -> str:
    """Store one job under these limits, one at a time of the key `k` if none; its id."""
    return enqueue(adapter, limits=list(limits or [{"key": "k", "to": 1}]), **fields).id


def presence(*queues: str, started_at: float = 1_699_999_000.0, **changes: Any) -> Presence:
    """What a worker process tells about itself."""
    usual = Presence("host", 4711, queues, 10, started_at)
    return replace(usual, **changes)


def register(adapter: Adapter, worker: str, *, presence: Presence | None = None) -> str:
    """Register the worker, with a lease of 30 s."""
    adapter.beat(worker, lease=30.0, claims=[], register=True, presence=presence)
    return worker


def claim(adapter: Adapter, worker: str, *queues: str, limit: int = _EVERYTHING) -> list[Claim]:
    """Claim from these queues; without any, from `default`."""
    return adapter.claim(queues or ("default",), limit=limit, worker=worker)


def claim_one(adapter: Adapter, worker: str, queue: str = "default") -> Claim:
    """Claim the one job that must be there."""
    (only,) = claim(adapter, worker, queue, limit=1)
    return only


def flat(lists: Iterable[Iterable[T]]) -> list[T]:
    """All that is in the lists, in one."""
    return [*chain.from_iterable(lists)]


def ids(jobs: Iterable[Claim | StoredJob]) -> list[str]:
    """The ids of these jobs, in their order."""
    return [job.payload.id for job in jobs]


def peek(adapter: Adapter, *queues: str) -> list[str]:
    """The ids of all that could be claimed now, in order: claimed, and given back to the head."""
    probe = register(adapter, f"probe-{new_id()}")
    found = ids(claim(adapter, probe, *queues))
    adapter.retire(probe)
    return found


def pulse(adapter: Adapter, worker: str) -> Pulse | None:
    """What a watcher sees of the worker; promotes one job that is due, as every upkeep does."""
    return adapter.maintain(limit=1).workers.get(worker)


def beats(adapter: Adapter, worker: str) -> int:
    """The counter of a registered worker, as `pulse` sees it."""
    seen = pulse(adapter, worker)
    assert seen is not None, f"the worker {worker!r} is not registered"
    return seen.beat


def promote(adapter: Adapter, *, limit: int = 100) -> int:
    """Let everything that is due become enqueued, slice by slice; the number of jobs."""
    upkeep = adapter.maintain(limit=limit)
    promoted = upkeep.promoted
    while upkeep.due_in == 0 and upkeep.promoted:
        upkeep = adapter.maintain(limit=limit)
        promoted += upkeep.promoted
    return promoted


def all_jobs(adapter: SupportsInspect, state: State) -> list[StoredJob]:
    """Every job in that state, in the order of the pages."""
    return [job for page in pages(adapter, state) for job in page]


def pages(
    adapter: SupportsInspect, state: State, where: JobFilter = JobFilter(), *, limit: int = 50
) -> Iterator[list[StoredJob]]:
    """Every page of jobs, read only when the one before it was taken."""
    page = adapter.jobs(state, where=where, limit=limit)
    yield [*page.items]
    for _ in range(_EVERYTHING):
        if page.next is None:
            return
        page = adapter.jobs(state, where=where, limit=limit, after=page.next)
        yield [*page.items]
    raise AssertionError("the pages never end")


def snapshot(adapter: Adapter, *queues: str) -> list[object]:
    """What can be seen of the store: equal before and after what must change nothing."""
    if isinstance(adapter, SupportsInspect):
        return [adapter.stats(), *(all_jobs(adapter, state) for state in State)]
    return [peek(adapter, *queues), adapter.maintain(limit=1).due_in]


def unstamped(job: Payload) -> str:
    """The text without `enqueued_at`, which a store may write when a job falls due."""
    return job.replace(enqueued_at=None).text
