"""What an idle process is told, read by the short way and by redis-py's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from redis.exceptions import ResponseError

from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter, wire
from jobkit_redis.listener import Listener
from jobkit_redis.url import Location
from tests.servers.valkey import Server
from tests.unit.worker.helpers import until


@pytest.fixture(params=["hiredis", "redis-py"])
def listening(
    request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RedisAdapter]:
    """An adapter with a worker, and with a connection on which it hears."""
    if request.param == "redis-py":
        monkeypatch.setattr(wire, "_new_reader", None)
    with server.client() as client:
        client.flushall()
    with closing(RedisAdapter(server.url())) as adapter:
        adapter.beat("worker", lease=30, claims=[], register=True)
        listens(adapter)
        known = adapter._store.here.listener._inbox
        assert known is not None
        assert (known[1] is None) == (request.param == "redis-py")
        yield adapter


def listens(adapter: RedisAdapter) -> None:
    """Return when it does."""

    def is_open() -> bool:
        adapter.wait(["default"], 0.01)
        return adapter._store.here.listener.is_open

    until(is_open)


def job() -> Payload:
    return Payload.of({"class": "app.Job", "args": [], "jid": new_id(), "queue": "default"})


def heard(adapter: RedisAdapter) -> int:
    adapter.maintain(limit=1)
    return adapter._store.here.listener.heard((b"default",)).number


def test_wake_ups_are_heard_one_by_one(listening: RedisAdapter, server: Server) -> None:
    before = heard(listening)
    with server.client() as client:
        for number in range(1, 200):
            client.publish("{jobkit}:wake:0", "default")
            until(lambda number=number: heard(listening) == before + number)  # type: ignore[misc]


def test_many_at_once_are_heard_all(listening: RedisAdapter, server: Server) -> None:
    """More than one read takes, so that some come in two pieces."""
    before = heard(listening)
    with server.client() as client:
        piped: Any = client.pipeline(transaction=False)
        for _ in range(5_000):
            piped.publish("{jobkit}:wake:0", "default")
        piped.execute()
    until(lambda: heard(listening) == before + 5_000)


@pytest.mark.parametrize("size", [1, 60_000])
def test_a_job_that_is_lent_is_told_whole(
    listening: RedisAdapter, server: Server, size: int
) -> None:
    one = job().replace(args=["x" * size])
    lent: list[Any] = []
    listening.offer(["default"], 0.01, worker="worker")
    with closing(RedisAdapter(server.url())) as producer:
        producer.enqueue([one])
    while not lent:
        lent += listening.offer(["default"], 0.5, worker="worker")
    assert [claim.payload.text for claim in lent] == [one.text]


def test_a_connection_that_ended_is_made_anew(listening: RedisAdapter, server: Server) -> None:
    with server.client() as client:
        before = {each["id"] for each in client.client_list(_type="pubsub")}
        assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == len(before) == 1

        def is_another() -> bool:
            listening.wait(["default"], 0.01)
            return bool({each["id"] for each in client.client_list(_type="pubsub")} - before)

        until(is_another)
    listens(listening)
    number = heard(listening)
    listening.enqueue([job()])
    until(lambda: heard(listening) > number)


def test_who_may_not_listen_is_told_why(server: Server) -> None:
    with server.client() as client:
        client.acl_setuser("deaf", enabled=True, nopass=True, keys=["*"], categories=["+@all"])
        client.execute_command("ACL", "SETUSER", "deaf", "resetchannels")
    listener = Listener(Location.of(server.url().replace("unix://", "unix://deaf:any@")), "wake")
    with pytest.raises(ResponseError, match="permission"):
        listener._connect()
