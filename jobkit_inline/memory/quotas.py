"""The limits of a memory store: who has their places, and who waits for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jobkit.capabilities import LimitInfo
from jobkit.limits import Limit
from jobkit_inline.memory.index import Index
from jobkit_inline.memory.records import Job

__all__ = ["Quota", "Quotas"]


@dataclass(slots=True)
class Quota:
    """One limit. `taken` maps the receipts that have a place to when they took it.

    `blocked` are the jobs that wait, `called` those that were told to try again and have not yet;
    by queue both, since nobody may be working one of them.
    """

    limit: Limit
    taken: dict[str, float] = field(default_factory=dict)
    blocked: dict[str, Index] = field(default_factory=dict)
    called: dict[str, set[int]] = field(default_factory=dict)

    def age(self, now: float) -> Quota:
        """Forget starts that are old enough; itself."""
        per = self.limit.per
        if per is not None:
            self.taken = {each: at for each, at in self.taken.items() if at > now - per}
        return self

    def room(self) -> int:
        return self.limit.to - len(self.taken)

    def waiting(self) -> int:
        return sum(map(len, self.blocked.values()))

    def in_use(self) -> bool:
        return bool(self.taken or self.waiting() or any(self.called.values()))

    def free_at(self) -> float | None:
        """When a start will be old enough for one of those who wait; None if none waits."""
        per = self.limit.per
        if per is None or not self.taken or not self.waiting():
            return None
        return min(self.taken.values()) + per

    def next_called(self) -> Iterator[Job]:
        """Of each queue as many of the next jobs as would find a place, were they the only ones."""
        room = self.room()
        for queue, index in self.blocked.items():
            called = self.called.setdefault(queue, set())
            while len(called) < room and (job := index.first()) is not None:
                index.remove(job)
                called.add(job.sequence)
                yield job


class Quotas:
    """All limits in use, by their place. Nothing here moves a job."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}
        self._places: dict[str, tuple[str, ...]] = {}

    def refusing(self, limits: Iterable[Limit], now: float) -> Limit | None:
        """The first of the limits that has no place; None if all have."""
        return next((limit for limit in limits if self._of(limit).age(now).room() <= 0), None)

    def take(self, limits: Iterable[Limit], receipt: str, now: float) -> None:
        """Give the receipt a place in each."""
        for limit in limits:
            self._of(limit).taken[receipt] = now
        self._places[receipt] = tuple(limit.place for limit in limits)

    def leave(self, receipt: str) -> tuple[str, ...]:
        """The claim is over: its places are free, but starts have been. Where it had any."""
        places = self._places.pop(receipt, ())
        for quota in self._at(places):
            if quota.limit.per is None:
                quota.taken.pop(receipt, None)
        return places

    def places(self, receipt: str) -> tuple[str, ...]:
        """Where the claim has places, or has started."""
        return self._places.get(receipt, ())

    def go_on(self, places: tuple[str, ...], receipt: str, heir: str) -> None:
        """The claim that left these places is another now: its starts can be taken back yet."""
        for quota in self._at(places):
            if (started_at := quota.taken.pop(receipt, None)) is not None:
                quota.taken[heir] = started_at
                self._places[heir] = places

    def unstart(self, receipt: str) -> None:
        """The claim never came to a start: it counts for none."""
        for quota in self._at(self._places.get(receipt, ())):
            quota.taken.pop(receipt, None)

    def block(self, job: Job) -> None:
        """Have the job wait for the limit at `job.waits_for`."""
        waiting = self._quotas[job.waits_for].blocked.setdefault(job.envelope.queue, Index())
        waiting.add(job.waiting(job.run_at))

    def forget(self, job: Job) -> None:
        """The job, blocked or called, waits no longer."""
        quota = self._quotas[job.waits_for]
        called = quota.called.get(job.envelope.queue, set())
        if job.sequence in called:
            called.discard(job.sequence)
        elif (waiting := quota.blocked.get(job.envelope.queue)) is not None:
            waiting.discard(job.waiting(job.run_at))

    def call(self, places: Iterable[str]) -> list[Job]:
        """The jobs that may try again now; limits that nobody uses are forgotten."""
        found: list[Job] = []
        for place in places:
            for quota in self._at([place]):
                found += quota.next_called()
                if not quota.in_use():
                    del self._quotas[place]
        return found

    def aged(self, now: float) -> list[str]:
        """The places of all limits, once old starts are forgotten."""
        for quota in self._quotas.values():
            quota.age(now)
        return list(self._quotas)

    def free_at(self) -> float | None:
        """When the next start will be old enough for somebody who waits."""
        moments = [quota.free_at() for quota in self._quotas.values()]
        return min((moment for moment in moments if moment is not None), default=None)

    def infos(self) -> list[LimitInfo]:
        """The limits in use, by key."""
        return [
            LimitInfo(
                key=quota.limit.key,
                to=quota.limit.to,
                per=quota.limit.per,
                used=len(quota.taken),
                blocked=quota.waiting() + sum(map(len, quota.called.values())),
            )
            for _, quota in sorted(self._quotas.items(), key=lambda each: _order(each[1]))
        ]

    def _at(self, places: Iterable[str]) -> list[Quota]:
        return [self._quotas[place] for place in places if place in self._quotas]

    def _of(self, limit: Limit) -> Quota:
        quota = self._quotas.setdefault(limit.place, Quota(limit))
        quota.limit = limit  # the class may say something else by now
        return quota


def _order(quota: Quota) -> tuple[str, float]:
    return (quota.limit.key, quota.limit.per or 0.0)
