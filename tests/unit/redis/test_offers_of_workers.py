"""What a worker does with offers, step by step: with one that does not run, or is held up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobkit import Job, backends
from jobkit.adapter import Claim, State
from jobkit.errors import AdapterError
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit_redis import RedisAdapter
from tests.unit.redis.offering import OFFERS, QUEUE, job, offer
from tests.unit.worker.helpers import until

ran: list[str] = []
gate = threading.Event()


class Held(Job):
    def perform(self, word: str) -> None:
        if word == "hold":
            gate.wait(30)
        ran.append(word)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    gate.clear()
    yield
    gate.set()


def worker_of(adapter: RedisAdapter, **options: Any) -> Worker:
    usual: dict[str, Any] = {"queues": Queues(("default",)), "concurrency": 2}
    return Worker(adapter, WorkerOptions(**usual | options))


@pytest.fixture
def still(adapter: RedisAdapter) -> Worker:
    """A worker that is registered, and does only what the test has it do."""
    worker = worker_of(adapter)
    adapter.beat(worker.id, lease=30, claims=[], register=True)
    return worker


@pytest.fixture
def running(adapter: RedisAdapter, client: Any) -> Iterator[Worker]:
    """One that has made an offer."""
    adapter.retire("worker")
    with backends.override(adapter):
        worker = worker_of(adapter, lease=60)
        assert worker.start()
        until(lambda: client.hlen(OFFERS) == 1)
        yield worker
        gate.set()
        worker.desk.hurried = True
        worker.stop(0)


def given_back(worker: Worker) -> list[str]:
    """The ids of the jobs that the worker is about to give back."""
    settlements: list[Any] = [each for each, _ in worker._settler._ready]
    assert not any(each.started for each in settlements)
    return [each.claim.payload.id for each in settlements]


def begin_to_offer(worker: Worker, client: Any) -> None:
    def stands() -> bool:
        assert worker._claimer._idle.offer() == []
        return bool(client.hexists(OFFERS, worker.id))

    until(stands)


@pytest.mark.parametrize(
    ("options", "offers"),
    [({}, True), ({"burst": True}, False), ({"embedded": True}, False)],
    ids=["usual", "burst", "embedded"],
)
def test_who_has_no_time_to_spend_makes_no_offer(
    adapter: RedisAdapter, client: Any, options: dict[str, bool], *, offers: bool
) -> None:
    """A burst ends soon; in somebody else's program other code may hold the GIL for long."""
    offer(adapter)
    assert adapter.withdraw("worker") == []
    worker = worker_of(adapter, **options)
    adapter.beat(worker.id, lease=30, claims=[], register=True)
    assert worker._claimer._idle.offer() == []
    assert bool(client.exists(OFFERS)) is offers


def quiet(worker: Worker) -> None:
    worker.desk.quiet.set()


def ending(worker: Worker) -> None:
    worker._claimer.ending.set()


def fenced(worker: Worker) -> None:
    worker.desk.fenced.set()


def lapsed(worker: Worker) -> None:
    """Suspended for longer than its lease: it may have been declared dead."""
    worker.desk.beaten -= worker.desk.options.lease


def begun_anew(worker: Worker) -> None:
    """Declared dead, and registered under another name."""
    worker.desk.identity = "anew"


@pytest.mark.parametrize("change", [quiet, ending, fenced, lapsed, begun_anew])
def test_what_is_lent_too_late_is_given_back(
    still: Worker,
    producer: RedisAdapter,
    client: Any,
    change: Callable[[Worker], None],
) -> None:
    begin_to_offer(still, client)
    one = job()
    producer.enqueue([one])
    assert client.llen(QUEUE) == 0
    before = still.id

    def too_late() -> list[Claim]:
        lent = still.desk.adapter.claim(["default"], limit=1, worker=before)
        change(still)
        return lent

    still._claimer._run_lent(too_late)
    assert given_back(still) == [one.id]
    assert [claim.payload.id for claim in still.desk.held.values()] == [one.id], (
        "it is the worker's until it was given back"
    )
    assert still._pool.waiting() == 0
    assert still._claimer._kept is None


def test_what_is_lent_in_time_is_run(still: Worker, producer: RedisAdapter, client: Any) -> None:
    begin_to_offer(still, client)
    producer.enqueue([job()])

    def is_kept() -> bool:  # once the word has come
        still._claimer._run_lent(still._claimer._idle.offer)
        return still._claimer._kept is not None

    until(is_kept)
    assert given_back(still) == []


def test_what_is_on_its_way_is_not_taken_for_lost(
    still: Worker, producer: RedisAdapter, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    begin_to_offer(still, client)
    one = job()
    producer.enqueue([one])
    still._claimer._look_for_the_lost()
    assert "the answer was lost" not in caplog.text
    assert given_back(still) == [one.id]


def test_nothing_is_looked_for_while_an_offer_may_stand(
    still: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def found() -> list[Claim]:
        asked.append(True)
        return []

    monkeypatch.setattr(still._claimer._audit, "found", found)
    still._claimer.ending.set()
    for answers in (False, True):
        monkeypatch.setattr(still._claimer._idle, "withdraw", [].copy if answers else away)
        still._claimer._look_for_the_lost()
        assert bool(asked) is answers


def away() -> list[Claim]:
    raise AdapterError("the store is away")


def test_what_may_have_been_lent_and_not_told_is_looked_for(still: Worker) -> None:
    still._claimer.ending.set()
    still._claimer._run_lent(away)
    assert still.desk.unsure


def test_a_quiet_worker_withdraws_its_offer_at_once(running: Worker, client: Any) -> None:
    running.quiet()
    until(lambda: not client.exists(OFFERS))
    assert not ran


def test_an_offer_ends_before_its_worker_leaves(
    running: Worker, adapter: RedisAdapter, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers: list[int] = []
    leave = adapter.retire

    def retire(worker: str) -> int:
        offers.append(client.hlen(OFFERS))
        return leave(worker)

    monkeypatch.setattr(adapter, "retire", retire)
    assert running.stop(10)
    assert offers == [0]


def test_what_is_lent_for_an_offer_that_ended_is_found_and_runs(
    running: Worker, producer: RedisAdapter, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An offer may come back: the store was restored, or another server has taken over."""
    ended = client.hget(OFFERS, running.id)
    producer.enqueue([job(Held._name, "hold")])
    until(lambda: running.desk.held)
    ear, token, _, rest = ended.split(b"\n", 3)
    client.hset(OFFERS, running.id, b"\n".join([ear, token, b"9e9", rest]))
    producer.enqueue([job(Held._name, "found")])
    assert client.llen(QUEUE) == 0
    until(lambda: ran == ["found"])
    assert caplog.text.count("1 jobs were lent to this worker and the answer was lost") == 1
    gate.set()
    until(lambda: producer.stats().processed == 2)
    assert sorted(ran) == ["found", "hold"]
    assert producer.jobs(State.RUNNING).items == ()


def test_what_was_lent_to_one_that_was_declared_dead_meanwhile_runs_once(
    running: Worker, producer: RedisAdapter, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was suspended, say: when it goes on, another has the job, and this one a new name."""
    before, taken = running.id, list[str]()
    idle, begun = running._claimer._idle, threading.Event()
    ask = idle.offer

    def suspended() -> list[Claim]:
        begun.set()
        lent = ask()
        if lent and not taken:
            producer.beat("heir", lease=30, claims=[], register=True)
            taken.extend(claim.payload.id for claim in producer.recover(before, to="heir"))
            running.desk.fenced.set()  # it beats at once
            until(lambda: running.id != before)
        return lent

    monkeypatch.setattr(idle, "offer", suspended)
    assert begun.wait(40)
    until(lambda: client.hlen(OFFERS) == 1)
    one = job(Held._name, "once")
    producer.enqueue([one])
    until(lambda: taken == [one.id] and client.hkeys(OFFERS) == [running.id.encode()])
    until(lambda: not running.desk.held)
    assert not ran
