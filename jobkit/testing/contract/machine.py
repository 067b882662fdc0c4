"""A hypothesis state machine: any verbs in any order, on an adapter and on the model beside it.

One store serves all examples: each has queues and workers of its own, and leaves nothing behind
but dead jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobkit.adapter import (
    Ack,
    Adapter,
    Bury,
    Checkpoint,
    Claim,
    Release,
    Requeue,
    Settlement,
    State,
    Tally,
)
from jobkit.capabilities import Stats, SupportsInspect, SupportsPause
from jobkit.errors import LeaseLost
from jobkit.payload import new_id
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.model import Model, same_job
from jobkit.testing.contract.support import beats, claim, ids, payload, promote, pulse, register

__all__ = ["AdapterMachine"]

T = TypeVar("T")


@dataclass(frozen=True)
class End:
    """How a claim is settled: which way, counted how, and where to if it is requeued."""

    kind: str
    tally: Tally
    where: tuple[int, int]


_TICK: Final = 0.001  # seconds before each change, so that no two jobs are of one age
_LONGEST: Final = 60.0
_WORKERS: Final = 3
_ENOUGH: Final = 10
_RECENT: Final = 6  # claims that were spent last: their jobs may be held by others now

_ANY = st.integers(0, 30)
_QUEUES = st.permutations([0, 1]).flatmap(lambda both: st.sampled_from([both, both[:1]]))
#: Queue and priority, mostly the same: jobs must meet their equals.
_WHERE = st.tuples(st.sampled_from([0, 0, 0, 1]), st.sampled_from([0, 0, 0, 0, 5, -5]))
_DELAY = st.sampled_from([0.0, 0.0, 1.0, _LONGEST])
_KIND = st.sampled_from(["ack", "requeue", "head", "later", "bury", "checkpoint", "release"])
_END = st.builds(End, _KIND, st.sampled_from(Tally), _WHERE)


def _nth(choices: Sequence[T], number: int) -> T:
    """One of the choices, whatever the number."""
    return choices[number % len(choices)]


def _some(state: State) -> Callable[[AdapterMachine], bool]:
    return lambda machine: machine.model.size(state) > 0


class AdapterMachine(RuleBasedStateMachine):
    """Drives an adapter; every answer and, after each step, every job must be as in the model."""

    def __init__(self, adapter: Adapter, clock: ManualClock) -> None:
        super().__init__()
        self.adapter = adapter
        self.clock = clock
        self.model = Model()
        self._name = new_id()
        self._numbers = count()
        self._turns = count()
        self._queues = [f"{self._name}-a", f"{self._name}-b"]
        self._before = self._stats()

    @initialize(waiting=st.lists(_WHERE, min_size=4, max_size=6))
    def open(self, waiting: list[tuple[int, int]]) -> None:
        """Begin with what most steps need, or most of them would find nothing to do."""
        for _ in range(_WORKERS):
            self._come()
        for where in waiting:
            self.enqueue(where, 0.0)

    # Jobs

    @precondition(lambda machine: len(machine.model.alive) < _ENOUGH)
    @rule(where=_WHERE, delay=_DELAY)
    def enqueue(self, where: tuple[int, int], delay: float) -> None:
        now = self._tick()
        due = now + delay if delay else None
        job = payload(**self._place(where), scheduled_at=due)
        self.adapter.enqueue([job])
        self.model.enqueue(job, now + delay, now)

    @precondition(_some(State.ENQUEUED))
    @rule(worker=_ANY, queues=_QUEUES, limit=st.integers(1, 4), ends=st.lists(_END, max_size=2))
    def work(self, worker: int, queues: list[int], limit: int, ends: list[End]) -> None:
        """Claim, and settle what came first; the rest is held on to."""
        name, served = self._worker(worker), [self._queues[queue] for queue in queues]
        claims = self.adapter.claim(served, limit=limit, worker=name)
        self._check_order(claims, served, limit)
        self.model.lend(claims, name)
        self._settle(zip(claims, ends, strict=False))

    @precondition(_some(State.ENQUEUED))
    @rule(worker=_ANY, queues=_QUEUES, limit=st.integers(2, 4))
    def prefetch(self, worker: int, queues: list[int], limit: int) -> None:
        """Claim and settle nothing yet: most other steps need somebody who holds jobs."""
        self.work(worker, queues, limit, [])

    @precondition(lambda machine: machine.model.spent or machine.model.size(State.RUNNING))
    @rule(late=st.lists(st.tuples(_ANY, _END), max_size=2), ends=st.lists(_END, max_size=2))
    def settle(self, late: list[tuple[int, End]], ends: list[End]) -> None:
        """Settle in one batch what is held and what is not any more."""
        spent = self.model.spent[-_RECENT:]
        stale = [(_nth(spent, number), end) for number, end in late if spent]
        self._settle([*stale, *zip(self.model.held(), ends, strict=False)])

    # Workers

    @precondition(_some(State.RUNNING))
    @rule(worker=_ANY, spent=_ANY, supervised=st.booleans())
    def beat(self, worker: int, spent: int, supervised: bool) -> None:
        """Named are what the worker holds, what others hold, and something settled long ago."""
        name = self._worker(worker)
        before = beats(self.adapter, name)
        claims = [*self.model.held(), *self.model.spent[-_RECENT:][spent : spent + 1]]
        named = None if supervised else claims
        beat = self.adapter.beat(name, lease=30.0, claims=named)
        held = claims if supervised else self.model.held(name)
        assert beat.registered
        assert [*beat.lost] == [claim for claim in claims if claim not in held]
        assert beats(self.adapter, name) != before

    @precondition(_some(State.RUNNING))
    @rule(number=_ANY, heir=_ANY, how=st.sampled_from(["retire", "seen", "unseen", "moved"]))
    def leave(self, number: int, heir: int, how: str) -> None:
        """A worker that holds jobs retires, or is recovered with or without its counter."""
        name = self._holder(number)
        if how == "retire":
            self._retire(name)
        else:
            self._recover(name, _nth(sorted(self.model.workers - {name}), heir), how)
        if name not in self.model.workers:
            self._come()

    # The rest of the world

    @rule(seconds=st.sampled_from([0.5, 1.0, _LONGEST]), paused=st.sampled_from([[], [], [0], [1]]))
    def time_passes(self, seconds: float, paused: list[int]) -> None:
        """What is due falls due; from now on these queues are paused."""
        self.clock.advance(seconds)
        assert promote(self.adapter) == self.model.promote(self.clock.time())
        self._pause({self._queues[queue] for queue in paused})

    # What must hold after every step

    @invariant()
    def every_job_is_in_its_one_place(self) -> None:
        if not isinstance(self.adapter, SupportsInspect):
            return
        found = self.adapter.find([*self.model.jobs])
        assert sorted(ids(found)) == sorted(self.model.jobs)
        for seen in found:
            job = self.model.jobs[seen.payload.id]
            assert (seen.state, seen.worker) == (job.state, job.worker)
            assert same_job(seen.payload, job.payload)

    @invariant()
    def the_numbers_are_right(self) -> None:
        if not isinstance(self.adapter, SupportsInspect):
            return
        now, before, model = self._stats(), self._before, self.model
        assert now.processed - before.processed == model.processed
        assert now.failed - before.failed == model.failed
        for state in (State.ENQUEUED, State.SCHEDULED, State.RETRY, State.RUNNING, State.DEAD):
            more = getattr(now, state.value) - getattr(before, state.value)
            assert more == model.size(state), f"{more} more jobs are {state}"

    @invariant()
    def nobody_lost_what_he_holds(self) -> None:
        """One worker a step is asked, each in its turn: what is lost stays lost."""
        if self.model.workers:
            name = self._worker(next(self._turns))
            beat = self.adapter.beat(name, lease=30.0, claims=self.model.held(name))
            assert (beat.registered, beat.lost) == (True, ())

    def teardown(self) -> None:
        """Everything that may still run does so once, and nothing else."""
        for name in list(self.model.workers):
            self._retire(name)
        self.time_passes(_LONGEST + 1, paused=[])
        last = register(self.adapter, f"{self._name}-last")
        claims = claim(self.adapter, last, *self._queues)
        self.adapter.settle([Ack(each) for each in claims])
        self.adapter.retire(last)
        assert sorted(ids(claims)) == sorted(job.payload.id for job in self.model.alive)
        for each in claims:
            assert same_job(each.payload, self.model.jobs[each.payload.id].payload)

    def _settle(self, chosen: Iterable[tuple[Claim, End]]) -> None:
        now = self._tick()
        ends = {claim.receipt: (claim, end) for claim, end in chosen}
        batch = [
            _settlement(claim, end, self._place(end.where), now) for claim, end in ends.values()
        ]
        answer = self.adapter.settle(batch)
        stale = [each.claim for each in batch if not self.model.settle(each, now)]
        assert sorted(each.receipt for each in answer) == sorted(each.receipt for each in stale)

    def _check_order(self, claims: list[Claim], queues: list[str], limit: int) -> None:
        waiting = {job.payload.id: job for queue in queues for job in self.model.claimable(queue)}
        assert len(claims) == min(limit, len(waiting))
        line = [waiting.pop(each.payload.id) for each in claims]
        for each, job in zip(claims, line, strict=True):
            assert same_job(each.payload, job.payload)
        behind = [*waiting.values()]
        for job in reversed(line):
            for other in behind:
                assert queues.index(job.queue) <= queues.index(other.queue)
                assert job.queue != other.queue or job.goes_before(other)
            behind.append(job)

    def _worker(self, number: int) -> str:
        return _nth(sorted(self.model.workers), number)

    def _holder(self, number: int) -> str:
        """One of the workers that hold a job."""
        return _nth([name for name in sorted(self.model.workers) if self.model.held(name)], number)

    def _retire(self, worker: str) -> None:
        assert self.adapter.retire(worker) == len(self.model.held(worker))
        self.model.retire(worker)
        self._stays_out(worker)

    def _recover(self, worker: str, heir: str, how: str) -> None:
        seen = None if how == "unseen" else beats(self.adapter, worker)
        if how == "moved":
            self.adapter.beat(worker, lease=30.0, claims=None)
        recovered = self.adapter.recover(worker, to=heir, beat=seen)
        if how == "moved":
            assert recovered == []
        else:
            assert sorted(ids(recovered)) == sorted(ids(self.model.held(worker)))
            self.model.recover(worker, recovered, heir)
            self._stays_out(worker)

    def _pause(self, queues: set[str]) -> None:
        if isinstance(self.adapter, SupportsPause):
            for queue in self.model.paused - queues:
                self.adapter.resume(queue)
            for queue in queues:
                self.adapter.pause(queue)
            self.model.paused = queues

    def _come(self) -> None:
        self.model.workers.add(register(self.adapter, f"{self._name}-{next(self._numbers)}"))

    def _stays_out(self, worker: str) -> None:
        with suppress(LeaseLost):
            self.adapter.claim(self._queues, limit=1, worker=worker)
            raise AssertionError("a worker that is gone could claim")
        assert not self.adapter.beat(worker, lease=30.0, claims=[]).registered
        assert self.adapter.retire(worker) == 0
        assert pulse(self.adapter, worker) is None

    def _place(self, where: tuple[int, int]) -> dict[str, Any]:
        queue, priority = where
        known = priority if self.adapter.features.priority else None
        return {"queue": self._queues[queue], "priority": known}

    def _tick(self) -> float:
        self.clock.advance(_TICK)
        return self.clock.time()

    def _stats(self) -> Stats:
        return self.adapter.stats() if isinstance(self.adapter, SupportsInspect) else Stats()


def _settlement(held: Claim, end: End, place: dict[str, Any], now: float) -> Settlement:
    changed = held.payload.replace(note=now)
    match end.kind:
        case "ack":
            return Ack(held, end.tally)
        case "bury":
            return Bury(held, changed, end.tally)
        case "checkpoint":
            return Checkpoint(held, changed)
        case "release":
            return Release(held)
        case "later":
            later = changed.replace(scheduled_at=now + _LONGEST, **place)
            return Requeue(held, later, State.RETRY, tally=end.tally)
        case _:
            moved = changed.replace(**place)
            head = end.kind == "head"
            return Requeue(held, moved, State.ENQUEUED, head=head, tally=end.tally)
