"""A Redis server that is killed, suspended, full, read-only, forgetful, or not only ours."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from jobkit.adapter import Ack, Bury, Requeue, Settlement, State
from jobkit.errors import AdapterError, SettlementRefused
from jobkit_redis import RedisAdapter
from jobkit_redis.errors import Refused
from tests.faults.redis_store import job, until
from tests.integration.worker.site import Site
from tests.servers.valkey import Server, running
from tests.soak import SOAK
from tests.timing import Queued

RESTARTED = 10 if SOAK else 3


def test_what_was_stored_lent_and_counted_outlives_a_kill(
    adapter: RedisAdapter, server: Server
) -> None:
    adapter.enqueue([job() for _ in range(4)])
    acked, held = adapter.claim(["default"], limit=2, worker="worker")
    adapter.settle([Ack(acked)])
    server.restart()
    until(lambda: _stats(adapter) == (1, 2, 1))
    assert adapter.settle([Ack(held), Ack(acked)]) == [acked]
    assert adapter.beat("worker", lease=30, claims=[]).registered


def test_a_server_that_forgot_the_scripts_is_told_them_again(
    adapter: RedisAdapter, server: Server
) -> None:
    with server.client() as client:
        for _ in range(2):
            adapter.enqueue([job()])
            client.script_flush()
            (claim,) = adapter.claim(["default"], limit=1, worker="worker")
            client.script_flush()
            assert adapter.settle([Ack(claim)]) == []
            client.script_flush()
            assert adapter.beat("worker", lease=30, claims=[]).registered
    assert adapter.stats().processed == 2


def test_a_server_that_hangs_is_given_up_in_time(adapter: RedisAdapter, server: Server) -> None:
    adapter.enqueue([job()])
    hasty = RedisAdapter(f"{server.url()}socket_timeout=0.2&socket_connect_timeout=0.2")
    until(lambda: _stats(hasty) == (0, 1, 0))
    with server.suspended(), Queued([os.getpid()]) as queued:
        began = time.monotonic()
        with pytest.raises(AdapterError):
            hasty.stats()
        took = time.monotonic() - began
    assert took - queued.seconds < 2
    until(lambda: _stats(hasty) == (0, 1, 0))
    hasty.close()


def test_a_full_server_refuses_new_jobs_and_settles_old_ones(
    adapter: RedisAdapter, server: Server
) -> None:
    adapter.enqueue([job() for _ in range(3)])
    acked, retried, buried = adapter.claim(["default"], limit=3, worker="worker")
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(Refused):
            adapter.enqueue([job()])
        later = retried.payload.replace(scheduled_at=time.time() + 60)
        batch: list[Settlement] = [
            Ack(acked),
            Requeue(retried, later, State.RETRY),
            Bury(buried, buried.payload),
        ]
        assert adapter.settle(batch) == []
        client.config_set("maxmemory", 0)
    stats = adapter.stats()
    assert (stats.retry, stats.dead, stats.enqueued, stats.running) == (1, 1, 0, 0)


def test_a_primary_that_became_a_replica_takes_nothing(
    adapter: RedisAdapter, server: Server
) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(Refused, match=r"(?i)read.?only"):
            adapter.enqueue([job()])
        client.replicaof("NO", "ONE")
    adapter.enqueue([job()])
    assert adapter.stats().enqueued == 1


def test_a_server_without_enough_replicas_takes_nothing(
    adapter: RedisAdapter, server: Server
) -> None:
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)
        with pytest.raises(Refused):
            adapter.enqueue([job()])
        client.config_set("min-replicas-to-write", 0)
    assert adapter.stats().enqueued == 0


def test_a_key_of_somebody_else_costs_no_job(adapter: RedisAdapter, server: Server) -> None:
    with server.client() as client:
        client.set("{jobkit}:queue:theirs", "text")
    adapter.enqueue([job(queue="ours")])
    (claim,) = adapter.claim(["theirs", "ours"], limit=5, worker="worker")
    with pytest.raises(Refused):
        adapter.enqueue([job(queue="ours"), job(queue="theirs")])
    assert adapter.stats().running == 1
    moved = Requeue(claim, claim.payload.replace(queue="theirs"), State.ENQUEUED)
    with pytest.raises(SettlementRefused) as error:
        adapter.settle([moved])
    assert error.value.refused == (moved,)
    assert adapter.settle([Ack(claim)]) == []


def test_a_forked_child_has_connections_of_its_own(adapter: RedisAdapter) -> None:
    adapter.enqueue([job()])
    child = os.fork()
    if child == 0:
        for _ in range(50):
            adapter.enqueue([job()])
        os._exit(0)
    for _ in range(50):
        adapter.enqueue([job()])
    assert os.waitpid(child, 0)[1] == 0
    assert adapter.stats().enqueued == 101


@pytest.mark.timeout(600)
def test_workers_outlive_servers_that_are_killed_again_and_again(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", server.url(), RedisAdapter)
    try:
        site.enqueue("Count", range(200))
        site.start("-c", "4", "--log-level", "warning")
        for nth in range(RESTARTED):
            until(partial(_ran, site, 200 * (nth + 1)), 20)
            server.restart()
            site.enqueue("Count", range(200 * (nth + 1), 200 * (nth + 2)))
        until(lambda: len(set(site.finished())) == 200 * (RESTARTED + 1), 20)
        until(lambda: _stats(site.store)[1:] == (0, 0), 20)
    finally:
        site.close()


def test_02_a_supervisor_that_stood_still_with_its_processes_finishes_nothing_twice(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", server.url(), RedisAdapter)
    try:
        site.enqueue("Hold", range(3))
        frozen = site.start("-c", "3", JOBKIT_LEASE="1")
        until(lambda: site.started() == [0, 1, 2], 20)
        os.killpg(frozen.pid, signal.SIGSTOP)
        site.start("-c", "3", JOBKIT_LEASE="1")
        until(lambda: site.started() == [0, 0, 1, 1, 2, 2], 20)
        site.go()
        until(lambda: _stats(site.store)[0] == 3, 20)
        os.killpg(frozen.pid, signal.SIGCONT)
        until(lambda: site.finished() == [0, 0, 1, 1, 2, 2], 20)
        until(lambda: site.store.stats().workers == 2, 20)  # it is there again, as somebody new
        site.enqueue("Count", range(3, 23))
        until(lambda: _stats(site.store) == (23, 0, 0), 20)
        assert site.store.stats().failed == 0
    finally:
        site.close()


def test_the_primary_is_asked_of_a_sentinel(server: Server, tmp_path: Path) -> None:
    host, port = server.address
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"sentinel monitor jobs {host} {port} 1\n")
    with running(
        tmp_path / "sentinel", tcp=True, first=(str(settings), "--sentinel"), plain=True
    ) as sentinel:
        watch = ":".join(map(str, sentinel.address))
        adapter = RedisAdapter(f"redis+sentinel://127.0.0.1:1,{watch}/jobs/0?namespace=there")
        adapter.enqueue([job()])
        with server.client() as client:
            assert client.llen("{there}:queue:default") == 1
        adapter.close()


def _ran(site: Site, number: int) -> bool:
    return len(set(site.finished())) >= number


def _stats(adapter: object) -> tuple[int, int, int]:
    assert isinstance(adapter, RedisAdapter)
    try:
        stats = adapter.stats()
    except AdapterError:
        return (-1, -1, -1)
    return stats.processed, stats.enqueued, stats.running
