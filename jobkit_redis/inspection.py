"""Sizes, queues, workers and history; a job by its id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from jobkit.adapter import State
from jobkit.capabilities import DayStats, QueueInfo, Stats, StoredJob, WorkerInfo
from jobkit.clock import as_datetime
from jobkit.payload import Payload
from jobkit_redis.keys import encoded
from jobkit_redis.listing import (
    AGE,
    since,
    stored_blocked,
    stored_claim,
    stored_listed,
    stored_ranked,
    stored_waiting,
)
from jobkit_redis.placing import queue_keys
from jobkit_redis.receipts import claims_of, decoded
from jobkit_redis.registry import Listed, Registry
from jobkit_redis.replies import pairs
from jobkit_redis.store import Store

__all__ = ["Inspection"]

_SLICE: Final = 500
#: In the direction in which jobs move, so that one which does is met again.
_BEFORE_QUEUES: Final = (State.SCHEDULED, State.RETRY)
_BEHIND_QUEUES: Final = (State.DEAD, State.COMPLETED)


class Inspection:
    """Counts what is there, and searches it in slices."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    def stats(self) -> Stats:
        """See `SupportsInspect.stats`."""
        keys, seen = self._store.keys, self._registry.see()
        queues = {*seen.queues, *seen.paused, *seen.served}
        sets = [keys.waiting(state) for state in (*_BEFORE_QUEUES, State.DEAD, State.BLOCKED)]
        fixed = [keys.total("processed"), keys.total("failed"), *sets]
        claimed = [keys.claimed(worker) for worker in seen.names]
        processed, failed, scheduled, retry, dead, enqueued, running, blocked = self._store.run(
            "stats", [*fixed, *queue_keys(keys, queues), *claimed], [len(queues)]
        )
        return Stats(
            processed=processed,
            failed=failed,
            enqueued=enqueued,
            scheduled=scheduled,
            retry=retry,
            dead=dead,
            running=running,
            blocked=blocked,
            workers=len(seen.workers),
        )

    def queues(self) -> list[QueueInfo]:
        """See `SupportsInspect.queues`."""
        seen = self._registry.see()
        known = sorted({*seen.queues, *seen.paused, *seen.served})
        moment, *told = self._store.run(
            "queues", queue_keys(self._store.keys, known), [self._store.now]
        )
        shown = seen.paused | seen.served
        return [
            QueueInfo(name, size, _latency(heads, float(moment)), paused=name in seen.paused)
            for name, size, heads in zip(known, told[::2], told[1::2], strict=True)
            if size or name in shown
        ]

    def workers(self) -> list[WorkerInfo]:
        """See `SupportsInspect.workers`."""
        return [_info(worker) for worker in self._registry.see().workers]

    def history(self, days: int) -> list[DayStats]:
        """See `SupportsInspect.history`."""
        keys, pool = self._store.keys, self._store.here.pool
        today = as_datetime(self._store.time()).date()
        dates = [today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
        if not dates:
            return []
        totals = [
            f"{keys.total(name)}:{date.isoformat()}"
            for date in dates
            for name in ("processed", "failed")
        ]
        (counts,) = pool.ask(("MGET", *totals))
        numbers = [int(count or 0) for count in counts]
        return [
            DayStats(date, processed, failed)
            for date, processed, failed in zip(dates, numbers[::2], numbers[1::2], strict=True)
        ]

    def find(self, ids: Sequence[str]) -> list[StoredJob]:
        """See `SupportsInspect.find`; in the order of the ids."""
        wanted = dict.fromkeys(ids)
        if not wanted:
            return []
        found = {
            job_id: job
            for job in self._search(list(wanted))
            if (job_id := job.id or job.payload.id) in wanted
        }
        return [found[job_id] for job_id in wanted if job_id in found]

    def missing(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that no job is found for.

        What runs is looked at before all else, too: else a job that fails time and again could go
        from there to where it waits for the next try, behind the search's back.
        """
        running = {job.id or job.payload.id for job in self._claimed()}
        left = [each for each in ids if each not in running]
        return {*left} - {job.id or job.payload.id for job in self.find(left)}

    def _search(self, ids: list[str]) -> Iterator[StoredJob]:
        """Jobs that may have one of the ids, from every place."""
        named = [encoded(job_id) for job_id in ids]
        for state in _BEFORE_QUEUES:
            yield from self._in_set(state, named)
        blocked, filled = self._filled()
        if blocked:
            yield from self._in_blocked(named)
        for queue in filled:
            yield from self._in_queue(queue, named)
        yield from self._claimed()
        for state in _BEHIND_QUEUES:
            yield from self._in_set(state, named)

    def _claimed(self) -> Iterator[StoredJob]:
        for worker in self._registry.names():
            flat = self._store.run("held", [self._store.keys.claimed(worker)])
            for claim in claims_of(worker, flat):
                yield stored_claim(worker, claim.receipt, claim.payload)

    def _filled(self) -> tuple[bool, list[str]]:
        """Whether jobs wait for limits, and the queues that hold jobs: most are empty.

        By one look at all. What comes into one after it came from a set that was searched before.
        """
        keys, known = self._store.keys, sorted(self._registry.queues())
        looks = [("EXISTS", keys.listed(name), keys.ranked(name)) for name in known]
        blocked, *answers = self._store.here.pool.ask(
            ("EXISTS", keys.waiting(State.BLOCKED)), *looks
        )
        return bool(blocked), [name for name, there in zip(known, answers, strict=True) if there]

    def _in_blocked(self, ids: list[bytes]) -> Iterator[StoredJob]:
        for member, _ in self._in_sorted(self._store.keys.waiting(State.BLOCKED), AGE, ids):
            yield stored_blocked(member)

    def _in_set(self, state: State, ids: list[bytes]) -> Iterator[StoredJob]:
        for text, score in self._in_sorted(self._store.keys.waiting(state), 0, ids):
            yield stored_waiting(state, text, float(score))

    def _in_queue(self, queue: str, ids: list[bytes]) -> Iterator[StoredJob]:
        for member, _ in self._in_sorted(self._store.keys.ranked(queue), AGE, ids):
            yield stored_ranked(queue, member)
        for text in self._in_list(queue, ids):
            yield stored_listed(queue, text)

    def _in_sorted(self, key: Any, before: int, ids: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
        cursor = b"0"
        while True:
            cursor, flat = self._store.run("find_sorted", [key], [cursor, _SLICE, before, *ids])
            yield from pairs(flat)
            if cursor == b"0":
                return

    def _in_list(self, queue: str, ids: list[bytes]) -> Iterator[bytes]:
        # From the left: what leaves meanwhile shifts nothing, what comes is looked at twice.
        key, at, more = self._store.keys.listed(queue), 0, 1
        while more:
            more, found = self._store.run("find_listed", [key], [at, _SLICE, *ids])
            at += _SLICE
            yield from found


def _latency(heads: Sequence[bytes], now: float) -> float:
    """The age of the oldest of the jobs that come next."""
    moments = [at for head in heads if (at := since(Payload(decoded(head))))]
    return max(0.0, now - min(moments, default=now))


def _info(worker: Listed) -> WorkerInfo:
    presence = worker.presence
    return WorkerInfo(
        id=worker.id,
        host=presence.host,
        pid=presence.pid,
        queues=presence.queues,
        concurrency=presence.concurrency,
        running=worker.running,
        quiet=presence.quiet,
        started_at=as_datetime(presence.started_at),
        beat_at=as_datetime(worker.beat_at),
        rss=presence.rss,
        embedded=presence.embedded,
    )
