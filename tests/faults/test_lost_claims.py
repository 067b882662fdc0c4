"""Workers whose claims are answered into the void: the jobs are found, and each runs once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from jobkit import Job, backends
from jobkit.payload import Payload, new_id
from jobkit.settings import Queues, url_scheme
from jobkit.worker import Worker, WorkerOptions
from jobkit_redis.scripts import script
from tests.chaos.stores import STORES, Server
from tests.faults.proxy import Proxy
from tests.faults.redis_store import until
from tests.soak import SOAK

ROUNDS = 100 if SOAK else 8
JOBS = 12

# On PostgreSQL what executes the prepared statement, not what prepares it.
CLAIM = {"postgresql": b"\0jobkit_claim", "redis": script("claim").digest.encode()}
"""What no request contains but a claim."""

ran: Counter[int] = Counter()


class Short(Job, queue="lost"):
    def perform(self, number: int) -> None:
        threading.Event().wait(0.01)
        ran[number] += 1


@pytest.fixture(params=CLAIM)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made = STORES[request.param](tmp_path)
    assert isinstance(made, Server)
    with closing(made):
        made.start()
        yield made


def adapter_of(url: str) -> Any:
    [point] = entry_points(group="jobkit.adapters", name=url_scheme(url))
    return point.load().from_url(url)


def enqueue(adapter: Any, numbers: range) -> None:
    fields = {"class": Short._name, "queue": "lost"}
    adapter.enqueue([Payload.of({"args": [n], "jid": new_id(), **fields}) for n in numbers])


@pytest.mark.timeout(600)
def test_03_claims_whose_answers_are_lost_strand_nothing_and_every_job_runs_once(
    store: Server, caplog: pytest.LogCaptureFixture
) -> None:
    ran.clear()
    options = WorkerOptions(queues=Queues(("lost",)), concurrency=2, lease=60)
    with (
        Proxy(store.address) as line,
        closing(adapter_of(store.url)) as direct,
        closing(adapter_of(store.url_through(line.address))) as proxied,
        backends.override(proxied),
    ):
        worker = Worker(proxied, options)
        assert worker.start()
        enqueue(direct, range(JOBS))  # by these the server learns the script
        until(lambda: direct.stats().processed == JOBS, 30)
        rounds = 1
        # An answer that lent nothing is no loss: then there are more of them.
        while rounds < ROUNDS or len(found(caplog)) <= ROUNDS / 4:
            enqueue(direct, range(rounds * JOBS, (rounds + 1) * JOBS))
            assert line.drop_next_reply(CLAIM[url_scheme(store.url)]).wait(30)
            rounds += 1
        until(lambda: direct.stats().processed == rounds * JOBS, 60)
        assert worker.stop(10)
        stats = direct.stats()
    assert (stats.enqueued, stats.running, stats.workers) == (0, 0, 0)
    assert ran == Counter(range(rounds * JOBS))


def found(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for text in caplog.messages if "the answer was lost" in text]
