"""Jobs that are lent as they are enqueued: in truth, in the same step, and never to nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from jobkit import Job, backends
from jobkit.adapter import State
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server
from tests.unit.redis.offering import (
    CLAIMED,
    OFFERS,
    QUEUE,
    job,
    lose_the_word,
    missed,
    offer,
    taken,
)
from tests.unit.worker.helpers import looks_anew, until

ran: list[str] = []
gate = threading.Event()


class Note(Job):
    def perform(self, word: str) -> None:
        ran.append(word)


class Hold(Job):
    def perform(self, word: str) -> None:
        gate.wait(30)
        ran.append(word)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    gate.clear()
    yield
    gate.set()


def noted(kind: type[Job], word: str) -> Payload:
    return job(kind._name, word)


def test_a_job_is_lent_in_the_step_that_enqueues_it(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    assert offer(adapter) == []
    client.config_resetstat()
    one = job()
    producer.enqueue([one])
    assert (client.llen(QUEUE), client.hlen(CLAIMED), client.hlen(OFFERS)) == (0, 1, 0)
    assert taken(adapter) == [one.id]
    assert "cmdstat_rpop" not in client.info("commandstats"), "it was claimed"


def test_each_of_two_who_wait_is_lent_one(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    """The second within the time in which the first, had it woken anybody, would be silent."""
    for worker in ("worker", "second"):
        adapter.beat(worker, lease=30, claims=[], register=True)
        offer(adapter, worker=worker)
    jobs = [job(), job()]
    for each in jobs:
        producer.enqueue([each])
    lent = [*taken(adapter), *taken(adapter, "second")]
    assert sorted(lent) == sorted(each.id for each in jobs)
    producer.enqueue([job()])
    assert client.llen(QUEUE) == 1


def test_one_of_several_queues_is_enough(adapter: RedisAdapter, producer: RedisAdapter) -> None:
    names = ["a", "default", "z:1", "ä"]
    for name in names:
        offer(adapter, *names)
        one = job(queue=name)
        producer.enqueue([one])
        assert taken(adapter, queues=names) == [one.id]


def test_an_offer_for_other_queues_is_another(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    offer(adapter, "a")
    offer(adapter, "b")
    producer.enqueue([job(queue="a")])
    assert client.llen("{jobkit}:queue:a") == 1


def test_somebody_who_serves_very_many_queues_makes_no_offer(
    adapter: RedisAdapter, client: Any
) -> None:
    for _ in range(5):
        adapter.offer([f"q{nth}" for nth in range(40)], 0.01, worker="worker")
    assert not client.exists(OFFERS)


@pytest.mark.parametrize(
    "fields",
    [
        {"limits": [{"key": "k", "to": 5}]},
        {"unique": {"key": "k", "until": "start"}},
        {"priority": 3},
        {"scheduled_at": 9e9},
    ],
)
def test_what_more_must_be_asked_of_is_not_lent(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any, fields: dict[str, Any]
) -> None:
    offer(adapter)
    producer.enqueue([job(**fields)])
    assert (client.hlen(CLAIMED), client.hlen(OFFERS)) == (0, 1)


def test_a_worker_that_is_not_registered_makes_no_offer(adapter: RedisAdapter, client: Any) -> None:
    offer(adapter)
    adapter.withdraw("worker")
    adapter.retire("worker")
    listener = adapter._store.here.listener  # which was closed, as whoever leaves does
    until(lambda: adapter.offer(["default"], 0.01, worker="worker") == [] and listener.is_open)
    assert adapter.offer(["default"], 0.01, worker="worker") == []
    assert not client.exists(OFFERS)


def test_a_worker_that_was_recovered_has_no_offer_any_more(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    offer(adapter)
    producer.beat("heir", lease=30, claims=[], register=True)
    producer.recover("worker", to="heir")
    assert not client.exists(OFFERS)
    producer.enqueue([job()])
    assert client.llen(QUEUE) == 1


def test_nothing_is_lent_to_one_who_is_gone(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    """As when its process was killed: it is registered still, and nobody hears its channel."""
    offer(adapter)
    adapter._store.here.listener.close()
    until(lambda: not client.pubsub_channels("{jobkit}:wake:0:*"))
    producer.enqueue([job()])
    assert (client.llen(QUEUE), client.hlen(CLAIMED)) == (1, 0)


def test_one_who_is_gone_stands_in_nobody_s_way(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    for number in range(5):
        worker = f"gone{number}"
        producer.beat(worker, lease=30, claims=[], register=True)
        client.hset(OFFERS, worker, "nowhere\ntoken\n9e9\ndefault\n")
    offer(adapter)
    one = job()
    producer.enqueue([one])
    assert taken(adapter) == [one.id]


def test_nothing_is_lent_to_one_who_stands_still(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    """Its offer holds for two seconds; who waits makes it hold anew each second."""
    offer(adapter)
    first = client.hget(OFFERS, "worker")
    until(lambda: offer(adapter) == [] and client.hget(OFFERS, "worker") != first)
    second = client.hget(OFFERS, "worker")
    assert first.split(b"\n")[:2] == second.split(b"\n")[:2]
    assert 1 < float(second.split(b"\n")[2]) - float(first.split(b"\n")[2]) < 30
    client.hset(OFFERS, "worker", second.replace(second.split(b"\n")[2], str(time.time()).encode()))
    producer.enqueue([job()])
    assert (client.llen(QUEUE), client.hlen(CLAIMED)) == (1, 0)


def test_a_job_whose_word_got_lost_is_missed_and_found(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    offer(adapter)
    one = lose_the_word(client, producer)
    until(lambda: missed(adapter, "offer"))
    assert [claim.payload.id for claim in adapter.held("worker")] == [one.id]
    assert adapter.withdraw("worker") == []


@pytest.mark.parametrize("verb", ["claim", "withdraw"])
def test_it_is_missed_by_whatever_ends_the_offer(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any, verb: str
) -> None:
    offer(adapter)
    lose_the_word(client, producer)
    producer.enqueue([job()])
    until(lambda: missed(adapter, verb))


def test_a_key_of_another_type_keeps_no_job_from_being_stored(
    adapter: RedisAdapter, producer: RedisAdapter, client: Any
) -> None:
    offer(adapter)
    for key, value in ((OFFERS, "text"), ("{jobkit}:paused", "text")):
        client.delete(key)
        client.set(key, value)
        producer.enqueue([job()])
    client.delete("{jobkit}:paused", OFFERS, QUEUE)
    offer(adapter)
    client.set(CLAIMED, "text")
    producer.enqueue([job()])
    assert client.llen(QUEUE) == 1


def test_who_may_not_publish_stores_all_the_same(
    adapter: RedisAdapter, client: Any, server: Server
) -> None:
    offer(adapter)
    client.acl_setuser("mute", enabled=True, nopass=True, keys=["*"], categories=["+@all"])
    client.execute_command("ACL", "SETUSER", "mute", "resetchannels")
    url = server.url().replace("unix://", "unix://mute:any@")
    with closing(RedisAdapter(url)) as mute:
        mute.enqueue([job()])
    assert (client.llen(QUEUE), client.hlen(CLAIMED), client.hlen(OFFERS)) == (1, 0, 1)
    client.acl_deluser("mute")


def test_an_idle_worker_s_offer_asks_little(adapter: RedisAdapter, client: Any) -> None:
    def turn() -> None:
        assert adapter.claim(["default"], limit=1, worker="worker") == []
        assert adapter.offer(["default"], 0.25, worker="worker") == []

    offer(adapter)
    turn()
    turn()
    before, began = client.info("stats")["total_commands_processed"], time.monotonic()
    while time.monotonic() - began < 2:
        turn()
    spent = client.info("stats")["total_commands_processed"] - before
    assert spent / (time.monotonic() - began) <= 16


class TestWorkers:
    """Whole workers."""

    @pytest.fixture
    def worker(self, adapter: RedisAdapter, client: Any) -> Iterator[Worker]:
        """One with two threads that has made an offer."""
        adapter.retire("worker")
        with backends.override(adapter):
            worker = Worker(adapter, WorkerOptions(queues=Queues(("default",)), concurrency=2))
            assert worker.start()
            until(lambda: client.hlen(OFFERS) == 1)
            yield worker
            gate.set()
            worker.desk.hurried = True
            worker.stop(0)

    @pytest.mark.usefixtures("worker")
    def test_an_idle_one_is_lent_job_after_job(self, producer: RedisAdapter, client: Any) -> None:
        client.config_resetstat()
        for number in range(20):
            until(lambda: client.hlen(OFFERS) == 1)
            producer.enqueue([noted(Note, str(number))])
            until(lambda number=number: len(ran) == number + 1)  # type: ignore[misc]
        assert ran == [str(number) for number in range(20)]
        assert "cmdstat_rpop" not in client.info("commandstats"), "some were claimed"

    def test_one_with_a_job_that_runs_makes_no_offer(
        self, worker: Worker, producer: RedisAdapter, client: Any
    ) -> None:
        """It may hold the GIL for long; another process would be sooner."""
        producer.enqueue([noted(Hold, "held")])
        until(lambda: worker.desk.held)
        for _ in range(3):
            looks_anew(worker)
        assert not client.exists(OFFERS)
        producer.enqueue([noted(Note, "beside")])
        until(lambda: ran == ["beside"])
        gate.set()
        until(lambda: client.hlen(OFFERS) == 1)

    def test_a_quiet_one_is_lent_nothing(
        self, worker: Worker, producer: RedisAdapter, client: Any
    ) -> None:
        worker.quiet()
        producer.enqueue([job()])  # may be lent still, and is given back then
        until(lambda: not client.exists(OFFERS))
        until(lambda: client.llen(QUEUE) == 1)
        producer.enqueue([job()])
        assert client.llen(QUEUE) == 2
        assert not ran

    def test_one_that_leaves_keeps_nothing(
        self, worker: Worker, producer: RedisAdapter, client: Any
    ) -> None:
        stopping = threading.Thread(target=worker.stop, args=(10,))
        stopping.start()
        jobs = 0
        while stopping.is_alive():
            producer.enqueue([noted(Note, str(jobs))])
            jobs += 1
        stopping.join()
        assert not client.exists(OFFERS)
        assert len(ran) + client.llen(QUEUE) == jobs
        stats = producer.stats()
        assert (stats.enqueued, stats.running, stats.processed) == (jobs - len(ran), 0, len(ran))

    def test_what_it_was_not_told_of_runs_once(
        self, worker: Worker, producer: RedisAdapter, client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        lose_the_word(client, producer, kind=Note._name, word="lost")
        until(lambda: producer.stats().processed == 1)
        assert ran == ["lost"]
        assert caplog.text.count("1 jobs were lent to this worker and the answer was lost") == 1
        until(lambda: not worker.desk.held)

    def test_a_worker_that_was_recovered_offers_under_its_new_name(
        self, worker: Worker, producer: RedisAdapter, client: Any
    ) -> None:
        before = worker.id
        producer.beat("heir", lease=30, claims=[], register=True)
        producer.recover(before, to="heir")
        until(lambda: client.hkeys(OFFERS) == [worker.id.encode()] and worker.id != before)
        producer.enqueue([noted(Note, "anew")])
        until(lambda: ran == ["anew"])

    @pytest.mark.usefixtures("worker")
    def test_a_dead_connection_is_made_anew_and_offers_go_on(
        self, producer: RedisAdapter, client: Any
    ) -> None:
        for number in range(3):
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            producer.enqueue([noted(Note, str(number))])
            until(lambda number=number: len(ran) == number + 1)  # type: ignore[misc]
            until(lambda: client.hlen(OFFERS) == 1)
        assert ran == ["0", "1", "2"]
        assert producer.jobs(State.ENQUEUED).items == ()
