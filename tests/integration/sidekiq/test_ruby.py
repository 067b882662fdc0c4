"""A real Sidekiq beside: Debian's `ruby-sidekiq` (6.4), where Ruby and it are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import Any

import pytest

from jobkit.adapter import Bury, Presence, State
from jobkit.payload import Payload
from jobkit_redis import RedisAdapter
from tests.servers.valkey import Server


def _missing() -> str:
    ruby = shutil.which("ruby")
    if ruby is None:
        return "there is no Ruby here: apt-get install ruby-sidekiq"
    found = subprocess.run([ruby, "-e", "require 'sidekiq/api'"], capture_output=True, check=False)
    return "" if found.returncode == 0 else "Ruby has no Sidekiq: apt-get install ruby-sidekiq"


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


def ruby(server: Server, code: str) -> Any:
    """What the code puts out, as JSON, with Sidekiq on the server."""
    head = f"""
        require 'sidekiq/api'
        require 'json'
        Sidekiq.configure_client {{ |c| c.redis = {{ path: '{server.path}' }} }}
        Sidekiq.logger.level = Logger::FATAL
    """
    told = subprocess.run(["ruby", "-e", head + code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def job(**fields: Any) -> Payload:
    now = time.time()
    usual = {"class": "Hard", "args": [1, "two"], "jid": "0123456789abcdef", "queue": "default"}
    return Payload.of({**usual, "retry": True, "created_at": now, "enqueued_at": now, **fields})


def test_what_ruby_pushes_is_claimed(adapter: RedisAdapter, server: Server) -> None:
    jid = ruby(
        server,
        "puts Sidekiq::Client.push('class' => 'Hard', 'args' => [1, nil], 'queue' => 'q').to_json",
    )
    adapter.beat("worker", lease=30, claims=[], register=True)
    (claim,) = adapter.claim(["q"], limit=1, worker="worker")
    assert (claim.payload.id, claim.payload.job_class) == (jid, "Hard")
    assert claim.payload.args == [1, None]
    assert claim.payload.enqueued_at == pytest.approx(time.time(), abs=60)


def test_ruby_sees_queues_jobs_and_their_times(adapter: RedisAdapter, server: Server) -> None:
    adapter.enqueue([job(), job(jid="later", scheduled_at=time.time() + 100)])
    seen = ruby(
        server,
        """
        queue = Sidekiq::Queue.new('default')
        first = queue.first
        puts({ size: queue.size, latency: queue.latency, klass: first.klass, args: first.args,
               scheduled: Sidekiq::ScheduledSet.new.map { |j| [j.jid, j.at.to_f] } }.to_json)
        """,
    )
    assert (seen["size"], seen["klass"], seen["args"]) == (1, "Hard", [1, "two"])
    assert 0 <= seen["latency"] < 60
    ((jid, at),) = seen["scheduled"]
    assert jid == "later"
    assert at == pytest.approx(time.time() + 100, abs=60)


def test_ruby_sees_processes_work_and_deaths_and_gives_orders(
    adapter: RedisAdapter, server: Server
) -> None:
    told = Presence("host", 7, ("default",), 5, time.time())
    adapter.beat("host:7:abc", lease=30, claims=[], register=True, presence=told)
    adapter.enqueue([job(), job(jid="dead")])
    running, buried = adapter.claim(["default"], limit=2, worker="host:7:abc")
    adapter.settle([Bury(buried, buried.payload.replace(error_class="E", error_message="m"))])
    adapter.beat("host:7:abc", lease=30, claims=[running], presence=told)
    seen = ruby(
        server,
        """
        process = Sidekiq::ProcessSet.new.first
        process.quiet!
        puts({ identity: process['identity'], busy: process['busy'], queues: process['queues'],
               concurrency: process['concurrency'], failed: Sidekiq::Stats.new.failed,
               work: Sidekiq::Workers.new.map { |_, _, w| [w['queue'], w['payload']['jid']] },
               dead: Sidekiq::DeadSet.new.map { |j| [j.jid, j['error_class']] } }.to_json)
        """,
    )
    assert (seen["identity"], seen["busy"], seen["queues"]) == ("host:7:abc", 1, ["default"])
    assert (seen["concurrency"], seen["failed"]) == (5, 1)
    assert seen["work"] == [["default", "0123456789abcdef"]]
    assert seen["dead"] == [["dead", "E"]]
    assert adapter.beat("host:7:abc", lease=30, claims=[running]).orders == {"quiet"}


def test_ruby_puts_a_dead_job_back_and_deletes_another(
    adapter: RedisAdapter, server: Server
) -> None:
    adapter.beat("worker", lease=30, claims=[], register=True)
    adapter.enqueue([job(jid=f"job-{nth}") for nth in range(2)])
    claims = adapter.claim(["default"], limit=2, worker="worker")
    adapter.settle([Bury(claim, claim.payload) for claim in claims])
    ruby(
        server,
        """
        Sidekiq::DeadSet.new.find_job('job-0').retry
        Sidekiq::DeadSet.new.find_job('job-1').delete
        puts 'true'
        """,
    )
    assert adapter.jobs(State.DEAD).items == ()
    (claim,) = adapter.claim(["default"], limit=5, worker="worker")
    assert claim.payload.id == "job-0"
