"""Moving all jobs to another store, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from jobkit.adapter import Bury, Enqueues, State
from jobkit.capabilities import StoredJob, SupportsInspect
from jobkit.errors import AdapterError, Unsupported
from jobkit.inspection import Inspector
from jobkit.inspection.moving import ORDER, move_all
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit.testing.contract.batched import came, counts, opened, standing
from jobkit.testing.contract.support import all_jobs, claim, enqueue, ids, register
from jobkit_inline import MemoryAdapter
from jobkit_sql import SqlAdapter

NUMBER = 1_203
"""Of jobs in each state: more than two slices."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source(clock: ManualClock) -> MemoryAdapter:
    """A store with more jobs in each state than a slice holds."""
    adapter = MemoryAdapter(clock=clock)
    fill(adapter, clock, NUMBER)
    return adapter


@pytest.fixture
def target(tmp_path: Path, clock: ManualClock) -> Iterator[SqlAdapter]:
    with closing(SqlAdapter(f"sqlite:///{tmp_path}/jobs.db", clock=clock)) as adapter:
        yield adapter


def fill(adapter: MemoryAdapter, clock: ManualClock, number: int) -> None:
    for nth in range(number):
        enqueue(adapter, queue=f"q{nth % 3}", scheduled_at=clock.time() + 10 + nth)
        enqueue(adapter, queue="dead", args=[nth])
    inspector = Inspector(adapter, clock=clock)
    inspector.bury(ids(all_jobs(adapter, State.ENQUEUED)))
    for nth in range(number):
        enqueue(adapter, queue=f"q{nth % 3}", priority=nth % 2, args=[nth])
    retried = [
        StoredJob(enqueue(MemoryAdapter()), State.RETRY, "", 1.0 + nth) for nth in range(number)
    ]
    adapter.restore(retried)


def contents(adapter: SupportsInspect) -> dict[State, list[tuple[str, str, float]]]:
    """All that waits or is dead: ids, texts and times."""
    return {
        state: [(job.payload.id, job.payload.text, job.at) for job in all_jobs(adapter, state)]
        for state in ORDER
    }


def test_everything_is_there_as_it_was_and_nothing_is_left(
    source: MemoryAdapter, target: SqlAdapter
) -> None:
    before, told = contents(source), list[int]()
    moved = move_all(source, target, on_progress=told.append)
    assert by_id(contents(target)) == by_id(before)
    assert contents(source) == {state: [] for state in ORDER}
    assert moved.moved == {"scheduled": NUMBER, "retry": NUMBER, "enqueued": NUMBER, "dead": NUMBER}
    assert (moved.lost, moved.changed, moved.running) == (0, 0, 0)
    assert told == sorted(told)
    assert told[-1] == 4 * NUMBER


def test_and_back_again(source: MemoryAdapter, target: SqlAdapter, clock: ManualClock) -> None:
    before, third = contents(source), MemoryAdapter(clock=clock)
    move_all(source, target)
    move_all(target, third)
    assert by_id(contents(third)) == by_id(before)


class Breaking(SqlAdapter):
    """Breaks off at one call of `restore`, before or after it was done."""

    at = 0
    done = False

    def restore(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        self.at -= 1
        if self.at == 0 and not self.done:
            raise AdapterError("the end")
        winners = super().restore(jobs)
        if self.at == 0:
            raise AdapterError("the end")
        return winners


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 5, 11])
def test_a_move_that_was_interrupted_goes_on_and_stores_none_twice(
    source: MemoryAdapter, tmp_path: Path, clock: ManualClock, at: int, done: bool
) -> None:
    before = contents(source)
    with closing(Breaking(f"sqlite:///{tmp_path}/jobs.db", clock=clock)) as target:
        target.at, target.done = at, done
        with pytest.raises(AdapterError, match="the end"):
            move_all(source, target)
        here, there = contents(source), contents(target)
        both = 0
        for state in ORDER:
            both += len({*here[state]} & {*there[state]})
            assert {*here[state]} | {*there[state]} == {*before[state]}
        assert both <= 500
        move_all(source, target)
        assert by_id(contents(target)) == by_id(before)
        assert contents(source) == {state: [] for state in ORDER}


class Stirring(MemoryAdapter):
    """Something takes up a job between the two steps of its move."""

    def delete(self, jobs: Sequence[StoredJob]) -> int:
        claim(self, "worker", limit=1)
        return super().delete(jobs)


def test_what_runs_is_left_and_what_was_taken_up_meanwhile_is_told(target: SqlAdapter) -> None:
    source = Stirring()
    register(source, "worker")
    for _ in range(3):
        enqueue(source)
    claim(source, "worker", limit=1)
    moved = move_all(source, target)
    assert (moved.moved["enqueued"], moved.running) == (1, 2)
    assert moved.changed == 1
    assert target.stats().enqueued == 2


def test_a_unique_job_whose_equal_is_there_stays(target: SqlAdapter, clock: ManualClock) -> None:
    source = MemoryAdapter(clock=clock)
    lock = {"key": "k", "until": "success"}
    enqueue(source, unique=lock)
    theirs = enqueue(MemoryAdapter(), unique=lock)
    assert target.restore([StoredJob(theirs, State.SCHEDULED, "", clock.time() + 9)]) == [None]
    moved = move_all(source, target)
    assert (moved.moved.get("enqueued", 0), moved.lost) == (0, 1)
    assert source.stats().enqueued == 1


def test_an_adapter_that_cannot_take_jobs_in_says_so(source: MemoryAdapter) -> None:
    class Taking(Enqueues):
        features = MemoryAdapter.features

        def enqueue(self, payloads: Sequence[Payload]) -> None:
            raise NotImplementedError

    with pytest.raises(Unsupported, match="Taking does not support taking jobs in"):
        move_all(source, Taking())
    assert source.stats().dead == NUMBER


def by_id(
    found: dict[State, list[tuple[str, str, float]]],
) -> dict[State, list[tuple[str, str, float]]]:
    """Jobs of one moment may change places among themselves."""
    return {state: sorted(jobs) for state, jobs in found.items()}


def test_members_of_a_batch_stay_where_it_is_and_it_does_not_end_without_them(
    target: SqlAdapter, clock: ManualClock
) -> None:
    source = MemoryAdapter(clock=clock)
    batch = opened(source, 3)
    register(source, "w")
    dying = claim(source, "w", limit=1)
    source.settle([Bury(each, each.payload) for each in dying])
    came_before = came(source)
    free = enqueue(source)
    moved = move_all(source, target)
    assert (moved.moved, moved.batched) == ({"enqueued": 2}, 3)
    assert {free.id} < {*ids(all_jobs(target, State.ENQUEUED))}
    assert (counts(source, batch), came_before) == ((3, 2, 0, 1), ["failure"])
    assert standing(source, batch).finished_at is None
    assert move_all(source, target).batched == 3


def test_a_job_whose_batch_is_forgotten_is_moved(target: SqlAdapter, clock: ManualClock) -> None:
    source = MemoryAdapter(clock=clock)
    job = enqueue(source, bid="forgotten")
    moved = move_all(source, target)
    assert (moved.moved, moved.batched) == ({"enqueued": 1}, 0)
    assert ids(all_jobs(target, State.ENQUEUED)) == [job.id]
