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

_ANY = st.integers(0, 30)
_QUEUES = st.permutations([0, 1]).flatmap(lambda both: st.sampled_from([both, both[:1]]))
_WHERE = st.tuples(st.integers(0, 1), st.sampled_from([0, 0, 5, -5]))  # queue, priority
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
        self._queues = [f"{self._name}-a", f"{self._name}-b"]
        self._before = self._stats()

    @initialize(waiting=st.lists(_WHERE, min_size=2, max_size=5))
    def open(self, waiting: list[tuple[int, int]]) -> None:
        """Begin with what most steps need, or most of them would find nothing to do."""
        for _ in range(_WORKERS):
            self._come()
        for where in waiting:
            self.enqueue(where, 0.0)

    # Jobs

    @rule(where=_WHERE, delay=_DELAY)
    def enqueue(self, where: tuple[int, int], delay: float) -> None:
        now = self._tick()
        due = now + delay if delay else None
        job = payload(**self._place(where), scheduled_at=due)
        self.adapter.enqueue([job])
        self.model.enqueue(job, now + delay, now)

    @precondition(_some(State.ENQUEUED))
    @rule(worker=_ANY, queues=_QUEUES, limit=st.integers(1, 4))
    def claim(self, worker: int, queues: list[int], limit: int) -> None:
        self._claim(worker, queues, limit)

    @precondition(_some(State.ENQUEUED))
    @rule(worker=_ANY, queues=_QUEUES, ends=st.lists(_END, min_size=1, max_size=3))
    def work(self, worker: int, queues: list[int], ends: list[End]) -> None:
        """Claim and settle."""
        claims = self._claim(worker, queues, len(ends))
        self._settle(zip(claims, ends, strict=False))

    @precondition(_some(State.RUNNING))
    @rule(numbers=st.lists(st.tuples(_ANY, _END), min_size=1, max_size=3))
    def settle(self, numbers: list[tuple[int, End]]) -> None:
        held = self.model.held()
        self._settle((_nth(held, number), end) for number, end in numbers)

    @precondition(lambda machine: machine.model.spent)
    @rule(numbers=st.lists(st.tuples(_ANY, _END), min_size=1, max_size=3), held=_END)
    def settle_late(self, numbers: list[tuple[int, End]], held: End) -> None:
        """Stale claims, and one of a good one among them."""
        stale = [(_nth(self.model.spent, number), end) for number, end in numbers]
        self._settle([*stale, *((claim, held) for claim in self.model.held()[:1])])

    # Workers

    @rule(worker=_ANY, spent=_ANY, supervised=st.booleans())
    def beat(self, worker: int, spent: int, supervised: bool) -> None:
        name = self._worker(worker)
        before = beats(self.adapter, name)
        stale = [_nth(self.model.spent, spent)] if self.model.spent else []
        claims = None if supervised else [*self.model.held(name), *stale]
        beat = self.adapter.beat(name, lease=30.0, claims=claims)
        assert (beat.registered, [*beat.lost]) == (True, [] if supervised else stale)
        assert beats(self.adapter, name) != before

    @rule(worker=_ANY, counter=st.sampled_from(["right", "none", "moved"]))
    def recover(self, worker: int, counter: str) -> None:
        dead, to = self._worker(worker), self._worker(worker + 1)
        seen = None if counter == "none" else beats(self.adapter, dead)
        if counter == "moved":
            self.adapter.beat(dead, lease=30.0, claims=None)
        recovered = self.adapter.recover(dead, to=to, beat=seen)
        if counter == "moved":
            assert recovered == []
            return
        assert sorted(ids(recovered)) == sorted(ids(self.model.held(dead)))
        self.model.lend(recovered, to)
        self._leave(dead)
        self._come()

    @rule(worker=_ANY)
    def retire(self, worker: int) -> None:
        self._retire(self._worker(worker))
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
        for name in self.model.workers:
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
        alive = [job for job in self.model.jobs.values() if job.state is not State.DEAD]
        assert sorted(ids(claims)) == sorted(job.payload.id for job in alive)
        for each in claims:
            assert same_job(each.payload, self.model.jobs[each.payload.id].payload)

    def _claim(self, worker: int, queues: list[int], limit: int) -> list[Claim]:
        name, served = self._worker(worker), [self._queues[queue] for queue in queues]
        claims = self.adapter.claim(served, limit=limit, worker=name)
        self._check_order(claims, served, limit)
        self.model.lend(claims, name)
        return claims

    def _settle(self, chosen: Iterable[tuple[Claim, End]]) -> None:
        now = self._tick()
        ends = {claim.receipt: (claim, end) for claim, end in chosen}
        batch = [
            _settlement(claim, end, self._place(end.where), now) for claim, end in ends.values()
        ]
        answer = self.adapter.settle(batch)
        stale = [each.claim for each in batch if not self.model.settle(each)]
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

    def _retire(self, worker: str) -> None:
        assert self.adapter.retire(worker) == len(self.model.held(worker))
        self.model.retire(worker)
        self._leave(worker)

    def _pause(self, queues: set[str]) -> None:
        if isinstance(self.adapter, SupportsPause):
            for queue in self.model.paused - queues:
                self.adapter.resume(queue)
            for queue in queues:
                self.adapter.pause(queue)
            self.model.paused = queues

    def _come(self) -> None:
        self.model.workers.add(register(self.adapter, f"{self._name}-{next(self._numbers)}"))

    def _leave(self, worker: str) -> None:
        """Who is gone stays out."""
        self.model.workers.discard(worker)
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
