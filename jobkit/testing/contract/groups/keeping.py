"""Keeping: the dead set and the finished jobs are trimmed as the `Retention` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Retention, State
from jobkit.capabilities import SupportsInspect
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import all_jobs, claim_one, enqueue, ids, peek, register

__all__ = ["Keeping"]

_DAY = 86_400


@dataclass(frozen=True)
class _Graveyard:
    """An adapter whose jobs end, one a second."""

    adapter: Adapter
    inspector: SupportsInspect
    clock: ManualClock

    def bury(self, number: int = 1) -> list[str]:
        return [self._end(bury=True) for _ in range(number)]

    def finish(self, number: int = 1) -> list[str]:
        return [self._end(bury=False) for _ in range(number)]

    def ids(self, state: State) -> list[str]:
        return ids(all_jobs(self.inspector, state))

    def trim(self) -> None:
        while self.adapter.maintain(limit=100).trimmed:
            pass

    def _end(self, *, bury: bool) -> str:
        job = enqueue(self.adapter)
        held = claim_one(self.adapter, "worker")
        self.adapter.settle([Bury(held, held.payload) if bury else Ack(held)])
        self.clock.advance(1)
        return job.id


Dig = Callable[[Retention], _Graveyard]


class Keeping:
    """`Retention`, for the adapters that the fixture `keeping` makes."""

    @pytest.fixture
    def dig(self, keeping: Callable[[Retention], Adapter], clock: ManualClock) -> Dig:
        """Makes a graveyard that keeps what the retention says."""

        def make(retention: Retention) -> _Graveyard:
            adapter = keeping(retention)
            if not isinstance(adapter, SupportsInspect):
                pytest.skip(f"{type(adapter).__name__} lacks the capability SupportsInspect")
            register(adapter, "worker")
            return _Graveyard(adapter, adapter, clock)

        return make

    def test_the_newest_dead_are_kept(self, dig: Dig) -> None:
        graveyard = dig(Retention(dead_max=3))
        dead = graveyard.bury(5)
        graveyard.trim()
        assert graveyard.ids(State.DEAD) == dead[:1:-1]

    def test_the_dead_are_forgotten_after_their_days(self, dig: Dig) -> None:
        graveyard = dig(Retention(dead_days=2))
        graveyard.bury(2)
        graveyard.clock.advance(1 * _DAY)
        younger = graveyard.bury(2)
        graveyard.clock.advance(1.5 * _DAY)
        graveyard.trim()
        assert graveyard.ids(State.DEAD) == younger[::-1]

    def test_the_dead_set_is_trimmed_in_slices(self, dig: Dig) -> None:
        graveyard = dig(Retention(dead_days=1))
        graveyard.bury(5)
        graveyard.clock.advance(2 * _DAY)
        assert [graveyard.adapter.maintain(limit=2).trimmed for _ in range(4)] == [2, 2, 1, 0]
        assert graveyard.ids(State.DEAD) == []

    def test_a_finished_job_is_gone_at_once(self, dig: Dig) -> None:
        graveyard = dig(Retention())
        (job,) = graveyard.finish()
        assert graveyard.ids(State.COMPLETED) == []
        assert graveyard.inspector.find([job]) == []

    def test_a_finished_job_stays_readable_as_long_as_it_was_asked_for(self, dig: Dig) -> None:
        graveyard = dig(Retention(keep_finished=60))
        finished = graveyard.finish(3)
        graveyard.trim()
        assert graveyard.ids(State.COMPLETED) == finished[::-1]
        (found,) = graveyard.inspector.find(finished[:1])
        assert (found.state, found.worker) == (State.COMPLETED, None)

    def test_a_finished_job_is_forgotten_in_its_time(self, dig: Dig) -> None:
        graveyard = dig(Retention(keep_finished=60))
        graveyard.finish(3)
        graveyard.clock.advance(30)
        younger = graveyard.finish(2)
        graveyard.clock.advance(40)
        graveyard.trim()
        assert graveyard.ids(State.COMPLETED) == younger[::-1]

    def test_finished_jobs_are_trimmed_in_slices(self, dig: Dig) -> None:
        graveyard = dig(Retention(keep_finished=60))
        graveyard.finish(5)
        graveyard.clock.advance(100)
        assert [graveyard.adapter.maintain(limit=2).trimmed for _ in range(4)] == [2, 2, 1, 0]

    def test_a_finished_job_does_not_run_again(self, dig: Dig) -> None:
        graveyard = dig(Retention(keep_finished=60))
        graveyard.finish(2)
        graveyard.adapter.retire("worker")
        assert peek(graveyard.adapter) == []

    def test_nothing_else_is_trimmed(self, dig: Dig) -> None:
        graveyard = dig(Retention(dead_max=1, dead_days=1, keep_finished=1))
        waiting = enqueue(graveyard.adapter, queue="old")
        graveyard.clock.advance(10 * _DAY)
        graveyard.trim()
        assert peek(graveyard.adapter, "old") == [waiting.id]
