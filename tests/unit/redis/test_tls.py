"""A server that speaks TLS only: nothing can be seen of a connection but by asking it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobkit import Job, backends
from jobkit.adapter import Ack
from jobkit.errors import AdapterError
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from jobkit_redis import RedisAdapter
from tests.servers.tls import Door, certificate, opened
from tests.servers.valkey import Server
from tests.unit.redis.offering import OFFERS, QUEUE, job
from tests.unit.worker.helpers import until

ran: list[int] = []


class Note(Job):
    def perform(self, number: int) -> None:
        ran.append(number)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def door(server: Server, pem: Path) -> Iterator[Door]:
    with server.client() as client:
        client.flushall()
    with opened(server.path, pem) as door:
        yield door


@pytest.fixture
def adapter(door: Door, pem: Path) -> Iterator[RedisAdapter]:
    url = f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={pem}"
    with closing(RedisAdapter(url)) as adapter:
        yield adapter


@pytest.fixture
def worker(adapter: RedisAdapter, client: Any) -> Iterator[Worker]:
    """One that has made an offer."""
    ran.clear()
    with backends.override(adapter):
        worker = Worker(adapter, WorkerOptions(queues=Queues(("default",)), concurrency=2))
        assert worker.start()
        until(lambda: client.exists(OFFERS))
        yield worker
        worker.stop(5)


def test_a_job_is_stored_claimed_and_settled(adapter: RedisAdapter) -> None:
    adapter.beat("worker", lease=30, claims=[], register=True)
    adapter.enqueue([one := job()])
    [claim] = adapter.claim(["default"], limit=2, worker="worker")
    assert claim.payload.id == one.id
    assert adapter.settle([Ack(claim)]) == []
    assert adapter.stats().processed == 1


def test_a_server_that_nobody_vouches_for_is_told_nothing(door: Door, client: Any) -> None:
    with (
        closing(RedisAdapter(f"rediss://127.0.0.1:{door.port}/0")) as adapter,
        pytest.raises(AdapterError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        adapter.enqueue([job()])
    assert client.keys() == []


def test_a_job_is_lent_to_a_worker_that_waits(worker: Worker, client: Any) -> None:
    for number in range(3):
        until(lambda: client.exists(OFFERS))
        Note.perform_later(number)
        assert client.llen(QUEUE) == 0, "it was lent in the step that stored it"
        until(lambda number=number: ran == list(range(number + 1)))  # type: ignore[misc]


def test_many_wake_ups_that_come_at_once_are_all_heard(
    worker: Worker, adapter: RedisAdapter, client: Any
) -> None:
    """They may be decrypted together: then nothing more is to be seen at the socket."""
    listener = adapter._store.here.listener
    before = listener.heard((b"default",)).number
    pipeline = client.pipeline(transaction=False)
    for _ in range(300):
        pipeline.publish(adapter._store.keys.channel, "default")
    pipeline.execute()
    until(lambda: listener.heard((b"default",)).number >= before + 300)


def test_connections_that_were_closed_meanwhile_are_made_anew(
    worker: Worker, adapter: RedisAdapter, client: Any, door: Door
) -> None:
    Note.perform_later(1)
    until(lambda: ran == [1])
    door.slam()
    Note.perform_later(2)
    until(lambda: 2 in ran)
    until(lambda: client.exists(OFFERS))
