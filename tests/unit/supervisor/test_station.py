"""What the supervisor does at a store for its living and its dead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jobkit.adapter import Ack, Claim, Presence, Settlement, State
from jobkit.errors import AdapterError
from jobkit.payload import Payload
from jobkit.supervisor.medic import Gone, Station
from jobkit.testing.clock import ManualClock
from jobkit.worker.board import note_of
from jobkit.worker.recovery import OVERRUN
from jobkit_inline import MemoryAdapter

CHILD = "host:1:child"
LEASE = 6.0
REASON = "the worker process 1 was killed by SIGSEGV while the job ran"


class Moody(MemoryAdapter):
    """A store that fails as often as it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.failing: set[str] = set()

    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        self._check("recover")
        claims = super().recover(worker, to=to, beat=beat)
        self._check("the answer to recover")
        return claims

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        self._check("settle")
        return super().settle(settlements)

    def _check(self, verb: str) -> None:
        if verb in self.failing:
            raise AdapterError("away")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Moody:
    adapter = Moody(clock)
    presence = Presence(host="h", pid=1, queues=("default",), concurrency=2, started_at=0)
    adapter.beat(CHILD, lease=LEASE, claims=[], register=True, presence=presence)
    return adapter


@pytest.fixture
def beaten() -> dict[str, float]:
    return {}


@pytest.fixture
def station(store: Moody, clock: ManualClock, beaten: dict[str, float]) -> Station:
    made = Station(store, clock, beaten)
    made.joined(CHILD, LEASE)
    made.work()
    return made


@pytest.fixture
def held(store: Moody) -> Callable[..., list[Claim]]:
    """Has the child claim so many jobs, with these fields."""

    def claim(number: int, **fields: Any) -> list[Claim]:
        plain = {"class": "A", "args": [], "queue": "default"} | fields
        store.enqueue([Payload.of({"jid": str(n), **plain}) for n in range(number)])
        return store.claim(["default"], limit=number, worker=CHILD)

    return claim


def notes(*claims: Claim) -> frozenset[bytes]:
    return frozenset(note_of(claim.receipt) for claim in claims)


def deliveries(store: Moody) -> dict[str, int]:
    jobs = [job for state in State for job in store.jobs(state).items]
    return {job.payload.id: job.payload.deliveries for job in jobs}


def test_it_beats_for_the_child_and_itself_every_sixth_of_the_lease(
    station: Station, store: Moody, clock: ManualClock
) -> None:
    beats = []
    for _ in range(4):
        clock.advance(station.work())
        station.work()
        beats.append(sorted(pulse.beat for pulse in store.maintain(limit=1).workers.values()))
    assert beats == [[2, 2], [3, 3], [4, 4], [5, 5]]
    assert clock.monotonic() == pytest.approx(4 * LEASE / 6)


def test_it_tells_when_it_sent_the_last_beat_for_each_that_came_through(
    station: Station, store: Moody, clock: ManualClock, beaten: dict[str, float]
) -> None:
    clock.advance(1)
    station.work()
    assert beaten == {CHILD: 1.0}
    store.retire(CHILD)
    clock.advance(1)
    station.work()
    assert beaten == {CHILD: 1.0}
    station.gone(CHILD, Gone((), frozenset(), None))
    assert beaten == {}


def test_no_failure_makes_it_wait_longer_than_until_the_next_beat(
    station: Station, store: Moody, clock: ManualClock, held: Callable[..., list[Claim]]
) -> None:
    held(1)
    station.gone(CHILD, Gone((), frozenset(), REASON))
    store.failing = {"recover"}
    waits: list[float] = []
    for _ in range(10):
        clock.advance(waits[-1] if waits else 0)
        waits.append(station.work())
    assert max(waits) == LEASE / 6


def test_it_is_not_listed_among_the_workers(station: Station, store: Moody) -> None:
    assert len(store.maintain(limit=1).workers) == 2
    assert [worker.id for worker in store.workers()] == [CHILD]


def test_only_what_had_started_is_charged_and_the_rest_goes_back_to_the_head(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    claims = held(3)
    station.gone(CHILD, Gone((), notes(claims[1]), REASON))
    station.work()
    assert deliveries(store) == {"0": 0, "1": 1, "2": 0}
    assert [job.payload.id for job in store.jobs(State.ENQUEUED).items] == ["0", "1", "2"]
    assert store.workers() == []


def test_where_it_was_ended_for_the_time_limit_of_a_job_that_one_alone_is_charged(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    claims = held(3)
    station.gone(CHILD, Gone((), notes(*claims), "too long", overrun=notes(claims[1])))
    station.work()
    assert deliveries(store) == {"0": 0, "1": 1, "2": 0}
    [over] = [job.payload for job in store.jobs(State.ENQUEUED).items if job.payload.id == "1"]
    assert over.fields[OVERRUN]
    assert over.fields["error_message"] == "too long"


def test_a_note_of_a_job_that_was_settled_means_nothing(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    first, second = held(2)
    store.settle([Ack(first)])
    station.gone(CHILD, Gone((), notes(first), REASON))
    station.work()
    assert deliveries(store) == {second.payload.id: 0}


def test_after_an_end_in_good_order_nothing_is_charged(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    claims = held(2)
    station.gone(CHILD, Gone((), notes(*claims), None))
    station.work()
    assert deliveries(store) == {"0": 0, "1": 0}
    assert store.stats().enqueued == 2


def test_what_the_store_did_not_take_is_tried_until_it_does(
    station: Station, store: Moody, clock: ManualClock, held: Callable[..., list[Claim]]
) -> None:
    claims = held(2)
    station.gone(CHILD, Gone((), notes(claims[0]), REASON))
    for failing in ({"recover"}, {"settle"}, set[str]()):
        store.failing = failing
        assert station.busy
        clock.advance(10)
        station.work()
    assert not station.busy
    assert deliveries(store) == {"0": 1, "1": 0}


def test_jobs_taken_by_an_answer_that_was_lost_are_given_on_and_charged_all_the_same(
    station: Station, store: Moody, clock: ManualClock, held: Callable[..., list[Claim]]
) -> None:
    claims = held(2)
    station.gone(CHILD, Gone((), notes(claims[0]), REASON))
    for failing in ({"the answer to recover"}, {"settle"}, set[str]()):
        store.failing = failing
        assert station.busy
        clock.advance(10)
        station.work()
    assert not station.busy
    assert deliveries(store) == {"0": 1, "1": 0}
    assert store.stats().enqueued == 2


def test_a_store_that_is_away_is_not_asked_again_before_its_time(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    held(1)
    store.failing = {"recover"}
    station.gone(CHILD, Gone((), frozenset(), REASON))
    assert station.work() > 0
    store.failing = set()
    station.work()
    assert station.busy


def test_declared_dead_it_goes_on_under_a_new_identity(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    [claim] = held(1)
    [own] = set(store.maintain(limit=1).workers) - {CHILD}
    store.retire(own)
    station.gone(CHILD, Gone((), notes(claim), REASON))
    while station.busy:
        station.work()
    assert deliveries(store) == {"0": 1}
    assert len(store.maintain(limit=1).workers) == 1


def test_an_adapter_that_cannot_tell_what_is_held_has_all_of_it_charged(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    claims = held(2)
    store.held = lambda worker: None  # type: ignore[method-assign,assignment,return-value]
    station.gone(CHILD, Gone((), notes(claims[0]), REASON))
    station.work()
    assert deliveries(store) == {"0": 1, "1": 1}


def test_a_child_that_never_started_a_job_is_charged_for_none(
    station: Station, store: Moody, held: Callable[..., list[Claim]]
) -> None:
    held(2)
    store.held = lambda worker: None  # type: ignore[method-assign,assignment,return-value]
    station.gone(CHILD, Gone((), frozenset(), REASON))
    station.work()
    assert deliveries(store) == {"0": 0, "1": 0}


def test_when_it_leaves_nothing_of_it_stays(station: Station, store: Moody) -> None:
    station.leave()
    assert set(store.maintain(limit=1).workers) == {CHILD}
