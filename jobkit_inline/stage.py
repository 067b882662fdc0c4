"""What the inline and the fake adapter have in common: a store whose jobs are run in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Self
from urllib.parse import urlsplit

from jobkit import backends
from jobkit.adapter import Checkpoint, Claim, Enqueues, Features, Release, Retention, State
from jobkit.backends import Performed
from jobkit.cancelling import is_marked
from jobkit.capabilities import SupportsManage, SupportsUnique
from jobkit.clock import SYSTEM, Clock
from jobkit.errors import ConfigurationError
from jobkit.holding import holder
from jobkit.payload import Payload, new_id
from jobkit_inline.memory import MemoryAdapter
from jobkit_inline.memory.batching import Batching
from jobkit_inline.memory.cancelling import Cancelling
from jobkit_inline.memory.inspection import Inspection
from jobkit_inline.memory.limiting import Limiting
from jobkit_inline.memory.results import Results
from jobkit_inline.memory.store import Store

__all__ = ["MOST_RUNS", "WAITING", "Stage", "Started", "named", "stored"]

WAITING: Final = (State.ENQUEUED, State.SCHEDULED, State.RETRY, State.BLOCKED)
"""The states that jobs are run from, whether or not they are due."""

MOST_RUNS: Final = 1_000
"""Runs in a row of one job that is run again at once, before it is taken for endless."""

_HERE: Final = "here"
"""The worker that holds what is run."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run that started: the payload it was given, and its place among all that happened."""

    order: int
    payload: Payload


def named(payloads: Sequence[Payload]) -> list[Payload]:
    """The payloads, each with an id."""
    return [each if each.id else each.replace(jid=new_id()) for each in payloads]


def stored(payloads: Sequence[Payload], winners: Sequence[str | None]) -> list[str]:
    """The ids of those that lost to nobody."""
    return [each.id for each, lost in zip(payloads, winners, strict=True) if lost is None]


class Holding:
    """What jobs ask while they run; see `jobkit.holding.Holder`. Nobody else is at the store."""

    def __init__(self, verbs: MemoryAdapter, clock: Clock) -> None:
        self._verbs = verbs
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def holds(self, claim: Claim) -> bool:
        del claim
        return True

    def is_cancelled(self, claim: Claim) -> bool:
        held = self._verbs.held(_HERE)
        return any(is_marked(each.payload.text) for each in held if each.receipt == claim.receipt)

    def save(self, claim: Claim, payload: Payload) -> None:
        self._verbs.settle([Checkpoint(claim, payload)])


class Stage(Inspection, Limiting, Batching, Cancelling, Results, Enqueues, SupportsUnique):
    """A store in memory whose jobs are run here, by the executor that the core hands down.

    `runs` is how many started runs it remembers; None is all of them.
    """

    features = Features(durable=False)

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        retention: Retention | None = None,
        runs: int | None = None,
    ) -> None:
        clock, retention = clock or SYSTEM, retention or Retention()
        super().__init__(Store(), clock, retention)
        self._verbs = MemoryAdapter(clock=clock, retention=retention, store=self._store)
        self._runs: deque[Started] = deque(maxlen=runs)
        self._order = count(1)
        self._holder = Holding(self._verbs, clock)

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock | None = None, retention: Retention | None = None
    ) -> Self:
        parts = urlsplit(url)
        if parts.netloc or parts.path or parts.query or parts.fragment:
            raise ConfigurationError(
                f"{parts.scheme}:// takes neither name nor options: write {parts.scheme}://"
            )
        return cls(clock=clock, retention=retention)

    def mark(self) -> int:
        """This moment, for `since`: what happens from now on comes after it."""
        return next(self._order)

    def performed(self, since: int = 0) -> list[Payload]:
        """The payload of every run that started, in the order they did."""
        with self._lock:
            return [run.payload for run in self._runs if run.order > since]

    def operated(self) -> SupportsManage:
        return self._verbs

    def clear(self) -> None:
        """Forget everything but what is running."""
        with self._lock:
            for state in (*WAITING, State.DEAD, State.COMPLETED):
                for job in list(self._store.listed(state, None, None)):
                    self._store.remove(job)
            self._store.days.clear()
            self._store.times.clear()
            self._store.entries.clear()
            self._store.batches.kept.clear()
            self._store.fired.clear()
            self._store.results.clear()
            self._runs.clear()

    def _add(self, payloads: Sequence[Payload]) -> list[str]:
        """Store the payloads; their ids."""
        given = named(payloads)
        self._verbs.enqueue(given)
        return [each.id for each in given]

    def _add_unique(self, payloads: Sequence[Payload]) -> tuple[list[str | None], list[str]]:
        """Store those whose locks are free; what each lost to, and the ids of the stored."""
        given = named(payloads)
        winners = self._verbs.enqueue_unique(given)
        return winners, stored(given, winners)

    def _fired(self) -> list[str]:
        """The ids of the jobs that batches had enqueued since this was asked."""
        with self._lock:
            fired = [*self._store.fired]
            self._store.fired.clear()
        return fired

    def _run(self, job_id: str) -> Performed | None:
        """Run the job once if it waits, due or not, and settle it; None if no run started."""
        claim = self._lend(job_id)
        if claim is None:
            return None
        started = self._started(claim)
        token = holder.set(self._holder)
        try:
            performed = backends.perform(claim, self, self._clock)
        except BaseException:  # nothing was decided: not the job's error
            self._verbs.settle([Release(claim)])
            raise
        finally:
            holder.reset(token)
        self._verbs.settle([performed.settlement])
        return performed if started else None

    def _lend(self, job_id: str) -> Claim | None:
        with self._lock:
            job = self._store.find(job_id)
            if job is None or job.state not in WAITING:
                return None
            return self._store.take(job, _HERE, self._clock.time()).claim

    def _started(self, claim: Claim) -> bool:
        """Remember the run; False for one that the executor will not start."""
        now, payload = self._clock.time(), claim.payload
        if claim.full is not None or is_marked(payload.text) or payload.has_expired(now):
            return False
        with self._lock:
            self._runs.append(Started(next(self._order), claim.payload))
        return True
