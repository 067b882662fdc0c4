"""What Sidekiq 7 and 8 write is read, and what is written is what they read: byte for byte.

The formats are those of Sidekiq's own source, 7.2 and 8.1: `client.rb`, `job_retry.rb`,
`launcher.rb`, `processor.rb`, `api.rb`.
"""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from typing import Any, Final

import pytest

from jobkit import Job, backends
from jobkit.adapter import Ack, Bury, Presence, Requeue, State
from jobkit.inspection import Inspector
from jobkit.measures import FAILED, Measure
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server

NOW: Final = time.time()

#: Float seconds until 7, whole milliseconds from 8 on.
SEVEN: Final = {
    "retry": True,
    "queue": "default",
    "args": [1, {"x": [], "y": 9007199254740993}],
    "class": "sidekiq.Hard",
    "jid": "f5a1c2d3e4b5a697f8e9d0c1",
    "created_at": NOW - 5,
    "enqueued_at": NOW - 5,
}
EIGHT: Final = {**SEVEN, "created_at": int(NOW * 1e3) - 5000, "enqueued_at": int(NOW * 1e3) - 5000}
FAILURE: Final = {
    "error_message": "no route",
    "error_class": "Net::OpenTimeout",
    "error_backtrace": base64.b64encode(zlib.compress(b'["a.rb:1"]')).decode(),
    "retry_count": 2,
}


@pytest.fixture(params=[SEVEN, EIGHT], ids=["7", "8"])
def written(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A payload as that version of Sidekiq writes it."""
    return dict(request.param)


@pytest.fixture
def client(server: Server) -> Any:
    return server.client()


def test_a_job_that_sidekiq_pushed_runs(
    adapter: RedisAdapter, client: Any, written: dict[str, Any]
) -> None:
    ran: list[Any] = []

    class Hard(Job, name="sidekiq.Hard"):
        def perform(self, *args: Any) -> None:
            ran.append(args)

    client.sadd("queues", "default")
    client.lpush("queue:default", json.dumps(written))
    with backends.override(adapter):
        options = WorkerOptions(queues=Queues(("default",)), concurrency=1, burst=True)
        worker = Worker(adapter, options)
        assert worker.start()
        assert worker.next_message() == "done"
        worker.stop(5)
    assert ran == [(1, {"x": [], "y": 9007199254740993})]
    assert client.get("stat:processed") == b"1"


def test_its_times_are_understood(
    adapter: RedisAdapter, client: Any, written: dict[str, Any]
) -> None:
    client.sadd("queues", "default")
    client.lpush("queue:default", json.dumps(written))
    (queue,) = adapter.queues()
    assert (queue.name, queue.size) == ("default", 1)
    assert queue.latency == pytest.approx(time.time() - NOW + 5, abs=5)


def test_what_it_scheduled_falls_due_with_its_time_of_enqueueing(
    adapter: RedisAdapter, client: Any, written: dict[str, Any]
) -> None:
    del written["enqueued_at"]
    client.zadd("schedule", {json.dumps(written): NOW - 1})
    assert adapter.maintain(limit=10).promoted == 1
    (text,) = client.lrange("queue:default", 0, -1)
    pushed = json.loads(text)
    assert isinstance(pushed.pop("enqueued_at"), float)
    assert pushed == written
    assert client.smembers("queues") == {b"default"}


def test_its_retries_and_its_dead_are_listed_with_their_errors(
    adapter: RedisAdapter, client: Any, written: dict[str, Any]
) -> None:
    failed_at = NOW if isinstance(written["created_at"], float) else int(NOW * 1e3)
    failed = json.dumps({**written, **FAILURE, "failed_at": failed_at})
    client.zadd("retry", {failed: NOW + 3_600})
    client.zadd("dead", {failed: NOW - 60})
    for state in (State.RETRY, State.DEAD):
        (job,) = adapter.jobs(state).items
        assert job.payload.text == failed
        assert job.payload.retry_count == 2
        assert job.payload.failed_at == pytest.approx(NOW, abs=0.01)


def test_its_signals_are_orders(adapter: RedisAdapter, client: Any) -> None:
    adapter.beat("host:1:abc", lease=30, claims=[], register=True, presence=presence())
    client.lpush("host:1:abc-signals", "TSTP")
    assert adapter.beat("host:1:abc", lease=30, claims=[]).orders == {"quiet"}
    assert adapter.order("host:1:abc", "stop")
    assert client.lrange("host:1:abc-signals", 0, -1) == [b"TERM"]


def test_its_processes_are_not_taken_for_ours(adapter: RedisAdapter, client: Any) -> None:
    client.sadd("processes", "ruby:2:def")
    client.hset("ruby:2:def", mapping={"info": "{}", "busy": 0, "beat": NOW, "quiet": "false"})
    assert adapter.workers() == []
    assert adapter.maintain(limit=1).workers == {}


def test_a_job_is_pushed_where_sidekiq_looks(adapter: RedisAdapter, client: Any) -> None:
    first, second = payload(), payload(queue="mail")
    later = payload(scheduled_at=NOW + 3_600)
    adapter.enqueue([first, second, later])
    assert client.smembers("queues") == {b"default", b"mail"}
    assert client.lrange("queue:default", 0, -1) == [first.text.encode()]
    assert client.zrange("schedule", 0, -1, withscores=True) == [(later.text.encode(), NOW + 3_600)]


def test_retries_deaths_and_counts_are_kept_as_sidekiq_keeps_them(
    adapter: RedisAdapter, client: Any
) -> None:
    adapter.beat("worker", lease=30, claims=[], register=True)
    adapter.enqueue([payload() for _ in range(3)])
    done, retried, buried = adapter.claim(["default"], limit=3, worker="worker")
    later = retried.payload.replace(scheduled_at=NOW + 3_600, retry_count=0)
    adapter.settle([Ack(done), Requeue(retried, later, State.RETRY), Bury(buried, buried.payload)])
    assert client.zrange("retry", 0, -1, withscores=True) == [(later.text.encode(), NOW + 3_600)]
    ((text, died),) = client.zrange("dead", 0, -1, withscores=True)
    assert text == buried.payload.text.encode()
    assert died == pytest.approx(time.time(), abs=60)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert [client.get(key) for key in ("stat:processed", "stat:failed")] == [b"2", b"1"]
    assert client.get(f"stat:processed:{today}") == b"2"
    assert 0 < client.ttl(f"stat:failed:{today}") <= 5 * 365 * 86_400


def test_what_runs_took_is_kept_as_sidekiq_8_keeps_it(adapter: RedisAdapter, client: Any) -> None:
    adapter.record([Measure("A", 0, 2, 0.0301), Measure("A", 7, 1, 0.3), Measure("A", FAILED, 4)])
    gram, *hashes = sorted(key.decode() for key in client.scan_iter())
    ten, minute = sorted(hashes, key=len)
    now = time.gmtime()
    assert re.fullmatch(rf"h\|A-{now.tm_mday}-\d+:\d+", gram)
    assert re.fullmatch(rf"j\|{time.strftime('%y%m%d', now)}\|\d+:\d\d", minute)
    assert ten == minute[:-1]
    sums = {b"A|p": b"7", b"A|f": b"4", b"A|ms": b"330"}
    assert client.hgetall(ten) == sums
    assert client.hgetall(minute) == sums | {b"A|0": b"2", b"A|7": b"1"}
    fetched = client.bitfield(gram).get("u16", "#0").get("u16", "#1").get("u16", "#7").execute()
    assert fetched == [2, 0, 1]
    assert 0 < client.ttl(minute) <= 8 * 3_600 < client.ttl(ten) <= 72 * 3_600
    assert 0 < client.ttl(gram) <= 8 * 3_600


def test_what_its_own_runs_took_is_told(adapter: RedisAdapter, client: Any) -> None:
    now = time.gmtime()
    minute = f"j|{time.strftime('%y%m%d', now)}|{now.tm_hour}:{now.tm_min:02}"
    client.hset(minute, mapping={"Ruby|p": 3, "Ruby|f": 1, "Ruby|ms": 500})
    (told,) = Inspector(adapter).metrics(2)
    assert (told.job_class, told.runs, told.failures, told.mean) == ("Ruby", 3, 1, 0.25)
    assert told.quantile(0.5) is None


def test_a_worker_shows_itself_and_what_it_runs_as_a_process(
    adapter: RedisAdapter, client: Any
) -> None:
    name = "host:1:abc"
    adapter.beat(name, lease=30, claims=[], register=True, presence=presence())
    adapter.enqueue([payload(queue="mail")])
    claims = adapter.claim(["mail"], limit=1, worker=name)
    adapter.beat(name, lease=30, claims=claims, presence=presence(quiet=True))
    assert client.smembers("processes") == {name.encode()}
    told = client.hgetall(name)
    assert (told[b"busy"], told[b"quiet"], told[b"rss"]) == (b"1", b"true", b"4096")
    assert told[b"concurrency"] == b"5"
    assert float(told[b"beat"]) == pytest.approx(time.time(), abs=60)
    info = json.loads(told[b"info"])
    assert (info["hostname"], info["pid"], info["identity"]) == ("host", 1, name)
    assert (info["queues"], info["concurrency"]) == (["mail", "default"], 5)
    assert list(info["capsules"]["default"]["weights"]) == ["mail", "default"]
    assert 0 < client.ttl(name) <= 60
    for key in (f"{name}:work", f"{name}:workers"):
        ((_, running),) = client.hgetall(key).items()
        work = json.loads(running)
        assert (work["queue"], work["payload"]) == ("mail", claims[0].payload.text)
        assert isinstance(work["run_at"], int)
        assert 0 < client.ttl(key) <= 60


def test_all_that_is_only_ours_stands_apart(adapter: RedisAdapter, client: Any) -> None:
    adapter.beat("worker", lease=30, claims=[], register=True)
    adapter.enqueue([payload(priority=-1), payload(priority=1)])
    adapter.claim(["default"], limit=1, worker="worker")
    bare = {key for key in client.scan_iter() if not key.startswith(b"jobkit:")}
    assert bare == {b"queues"}


def test_what_runs_in_the_store_is_the_payload_itself(adapter: RedisAdapter, client: Any) -> None:
    adapter.beat("worker", lease=30, claims=[], register=True)
    adapter.enqueue([payload()])
    (claim,) = adapter.claim(["default"], limit=1, worker="worker")
    assert client.hvals("jobkit:worker:claimed") == [claim.payload.text.encode()]
    assert client.hkeys("jobkit:workers") == [b"worker"]


def test_a_ranked_job_is_its_number_of_age_and_its_payload(
    adapter: RedisAdapter, client: Any
) -> None:
    urgent = payload(priority=-5)
    adapter.enqueue([urgent])
    ((member, score),) = client.zrange("jobkit:priority:default", 0, -1, withscores=True)
    assert (int(member[:16], 16), member[16:], score) == (1, urgent.text.encode(), -5)


def payload(**fields: Any) -> Payload:
    jid = f"{time.monotonic_ns():024x}"
    return Payload.of({**SEVEN, "jid": jid, **fields})


def presence(*, quiet: bool = False) -> Presence:
    return Presence("host", 1, ("mail", "default"), 5, NOW, quiet=quiet, rss=4096 * 1024)
