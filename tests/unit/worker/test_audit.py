"""Jobs that the store lent and nobody heard of: found, and nothing else taken for them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from jobkit import Job, events
from jobkit.adapter import Ack, Bury, Claim, Release, Settlement
from jobkit.errors import AdapterError, SettlementRefused
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.testing.clock import ManualClock
from jobkit.worker.audit import Audit
from jobkit.worker.desk import Desk
from jobkit.worker.options import WorkerOptions
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import looks_anew, until

ran: Counter[int] = Counter()
gate = threading.Event()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    gate.clear()
    yield
    gate.set()


class Count(Job):
    def perform(self, number: int) -> None:
        ran[number] += 1


class Hold(Job):
    def perform(self, number: int) -> None:
        gate.wait(30)
        ran[number] += 1


class Losing(MemoryAdapter):
    """Loses the answers to some verbs on their way back, as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.to_lose: Counter[str] = Counter()

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        claims = super().claim(queues, limit=limit, worker=worker)
        return self._drop("claim") if claims and self.to_lose["claim"] else claims

    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        claims = super().recover(worker, to=to, beat=beat)
        return self._drop("recover") if claims and self.to_lose["recover"] else claims

    def held(self, worker: str) -> list[Claim]:
        if self.to_lose["held"]:
            self._drop("held")
        return super().held(worker)

    def _drop(self, verb: str) -> list[Claim]:
        self.to_lose[verb] -= 1
        raise AdapterError(f"the answer to {verb} was lost")


def enqueue(adapter: MemoryAdapter, kind: type[Job], jobs: int) -> None:
    payloads = [
        {"class": kind._name, "args": [number], "jid": str(number), "queue": "default"}
        for number in range(jobs)
    ]
    adapter.enqueue([Payload.of(payload) for payload in payloads])


class ReadOnly(MemoryAdapter):
    """Says what it holds, and lends nothing."""

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        raise AdapterError("read-only")


def test_a_store_that_can_only_be_read_is_asked_less_and_less_often(
    start_worker: StartWorker,
) -> None:
    waits: list[float] = []

    @events.subscribe
    def note(event: events.Event) -> None:
        if event.name == "store_error" and event.data["part"] == "claimer":
            waits.append(event.data["wait"])

    try:
        start_worker(ReadOnly())
        until(lambda: len(waits) >= 4)
    finally:
        events.unsubscribe(note)
    assert waits[3] > 4 * 0.1, "each look for what was lost began the waits anew"


@pytest.mark.parametrize("burst", [False, True])
def test_03_what_was_lent_by_an_answer_that_was_lost_is_run_all_the_same(
    start_worker: StartWorker, *, burst: bool
) -> None:
    adapter = Losing()
    adapter.to_lose.update(claim=3, held=1)
    enqueue(adapter, Count, 20)
    worker = start_worker(adapter, burst=burst, concurrency=3)
    until(lambda: adapter.stats().processed == 20)
    assert ran == Counter(range(20))
    assert not +adapter.to_lose
    if burst:
        assert worker.next_message() == "done"


def test_a_quiet_worker_gives_back_what_it_had_not_heard_of(start_worker: StartWorker) -> None:
    adapter = Losing()
    worker = start_worker(adapter, lease=0.3)
    worker.quiet()
    looks_anew(worker)
    enqueue(adapter, Count, 3)
    # A question that was under way for long: the store hears of it after everything.
    adapter.claim(["default"], limit=3, worker=worker.id)
    until(lambda: adapter.stats().enqueued == 3)
    assert not ran


def test_a_worker_looks_once_in_a_lease_though_nothing_seemed_to_go_wrong(
    start_worker: StartWorker,
) -> None:
    adapter = Losing()
    worker = start_worker(adapter, lease=0.3, queues=Queues(("other",)))
    enqueue(adapter, Count, 2)
    adapter.claim(["default"], limit=2, worker=worker.id)
    until(lambda: adapter.stats().enqueued == 2)


def test_jobs_that_run_are_never_taken_for_lost(start_worker: StartWorker) -> None:
    adapter = Losing()
    enqueue(adapter, Hold, 4)
    worker = start_worker(adapter, lease=0.3)
    until(lambda: len(worker._pool.running()) == 4)
    looks = adapter.maintain(limit=1).workers[worker.id].beat + 12
    until(lambda: adapter.maintain(limit=1).workers[worker.id].beat >= looks)
    gate.set()
    until(lambda: adapter.stats().processed == 4)
    assert ran == Counter(range(4))


def test_what_was_recovered_by_an_answer_that_was_lost_is_found_again(
    start_worker: StartWorker,
) -> None:
    adapter = Losing()
    adapter.beat("gone", lease=0.2, claims=[], register=True)
    enqueue(adapter, Count, 5)
    assert len(adapter.claim(["default"], limit=5, worker="gone")) == 5
    adapter.to_lose["recover"] = 1
    start_worker(adapter, lease=600)
    until(lambda: ran == Counter(range(5)))


class Refusing(Losing):
    """Keeps nothing that a job could become."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: Counter[type[Settlement]] = Counter()

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        self.refused.update(type(each) for each in settlements)
        raise SettlementRefused("no", refused=list(settlements), stale=[])


@pytest.mark.usefixtures("unhurried")
def test_what_the_store_will_not_take_back_is_not_found_again_and_again(
    start_worker: StartWorker,
) -> None:
    adapter = Refusing()
    enqueue(adapter, Count, 1)
    worker = start_worker(adapter, lease=0.3)
    until(lambda: bool(worker.desk.abandoned))
    beats = adapter.maintain(limit=1).workers[worker.id].beat + 12
    until(lambda: adapter.maintain(limit=1).workers[worker.id].beat >= beats)
    assert ran == {0: 1}
    assert adapter.refused == {Ack: 1, Bury: 1, Release: 1}


@pytest.fixture
def store() -> Losing:
    return Losing()


@pytest.fixture
def desk(store: Losing) -> Desk:
    desk = Desk(store, WorkerOptions(queues=Queues(("default",)), lease=6), ManualClock())
    store.beat(desk.identity, lease=6, claims=[], register=True)
    return desk


def during(store: Losing, do: Callable[[], object]) -> None:
    """Have something happen when the store has answered what is held, on its way back."""
    held = store.held

    def answered(worker: str) -> list[Claim]:
        claims = held(worker)
        do()
        return claims

    store.held = answered  # type: ignore[method-assign]


def lent(desk: Desk, jobs: int) -> list[Claim]:
    adapter = desk.adapter
    assert isinstance(adapter, MemoryAdapter)
    enqueue(adapter, Count, jobs)
    claims = adapter.claim(["default"], limit=jobs, worker=desk.identity)
    desk.held.update((claim.receipt, claim) for claim in claims)
    return claims


def test_what_is_settled_meanwhile_is_not_lost(desk: Desk, store: Losing) -> None:
    first, _ = lent(desk, 2)

    def settled() -> None:
        store.settle([Ack(first)])
        del desk.held[first.receipt]

    during(store, settled)
    assert Audit(desk).found() == []


def test_what_another_thread_is_just_being_lent_is_not_lost(desk: Desk, store: Losing) -> None:
    """It waits for the other thread's answer to come, and to be noted."""
    enqueue(store, Count, 1)
    found: list[list[Claim]] = []
    auditing = threading.Thread(target=lambda: found.append(Audit(desk).found()))
    with desk.lending:
        auditing.start()
        [claim] = store.claim(["default"], limit=1, worker=desk.identity)
        auditing.join(0.1)
        assert not found
        desk.held[claim.receipt] = claim
    auditing.join()
    assert found == [[]]


def test_what_was_lent_to_a_name_the_worker_lost_meanwhile_is_not_its_own(
    desk: Desk, store: Losing
) -> None:
    lent(desk, 1)
    desk.held.clear()
    during(store, lambda: setattr(desk, "identity", "another"))
    assert Audit(desk).found() == []


def test_it_is_due_once_in_a_lease_and_when_an_answer_was_lost(desk: Desk, store: Losing) -> None:
    clock = desk.clock
    assert isinstance(clock, ManualClock)
    audit = Audit(desk)
    assert not audit.due()
    desk.unsure = True
    assert audit.due()
    store.to_lose["held"] = 1
    with pytest.raises(AdapterError):
        audit.found()
    assert audit.due()
    audit.found()
    assert not audit.due()
    clock.advance(5.9)
    assert not audit.due()
    clock.advance(0.1)
    assert audit.due()


def test_an_adapter_that_cannot_tell_has_nothing_found(desk: Desk, store: Losing) -> None:
    lent(desk, 1)
    desk.held.clear()
    store.held = lambda worker: None  # type: ignore[method-assign,assignment,return-value]
    assert Audit(desk).found() == []
