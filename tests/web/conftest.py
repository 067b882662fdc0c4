"""The dashboard over a real SQLite file with a little of everything in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import jobkit
from jobkit import backends, settings
from jobkit.adapter import Bury, Claim, Presence, Requeue, State, Tally
from jobkit.batching import NewBatch
from jobkit.dashboard import create_app
from jobkit.payload import Payload, new_id
from jobkit_sql import SqlAdapter

WORKER = "host-1:4711:abcdef"
PRESENCE = Presence("host-1", 4711, ("default", "mailers"), 10, 1_700_000_000.0)
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

Client = Callable[..., TestClient]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlAdapter]:
    """The store that the dashboard shows, still empty."""
    settings.reset()
    settings.override(url=url)
    with closing(SqlAdapter(url)) as adapter:
        yield adapter
    backends.close_all()
    settings.reset()


@pytest.fixture
def client(store: SqlAdapter) -> Iterator[Client]:
    """Browsers of a dashboard; a POST comes from its own pages unless it says otherwise."""
    opened: list[TestClient] = []

    def browser(*, auth: Any = None, read_only: bool = False) -> TestClient:
        app = create_app(auth=auth, read_only=read_only)
        made = TestClient(app, headers=SAME_ORIGIN, follow_redirects=False)
        opened.append(made)
        return made

    yield browser
    for each in opened:
        each.close()


@pytest.fixture
def full(store: SqlAdapter) -> SqlAdapter:
    """The store with a worker that runs a job, and jobs in every state."""
    store.beat(WORKER, lease=3_000, claims=None, register=True, presence=PRESENCE)
    put(store, "app.Running", "first")
    put(store, "app.Retried", "first")
    put(store, "app.Dead", "first", args=["the dead one's"])
    running, retried, dead = store.claim(["first"], limit=3, worker=WORKER)
    del running
    store.settle([failed(retried), buried(dead)])
    limits = [{"key": "account:7", "to": 1}, {"key": "api", "to": 9, "per": 60.0}]
    put(store, "app.Limited", "limited", limits=limits)
    put(store, "app.Blocked", "limited", limits=limits)
    (limited,) = store.claim(["limited"], limit=2, worker=WORKER)
    del limited
    put(store, "app.Mail", "mailers", tags=["vip"], kwargs={"locale": "de"})
    put(store, "app.Later", "low", scheduled_at=4_000_000_000.0)
    put_batch(store, "an empty batch")
    jobkit.recurring.add("nightly", "0 3 * * *", "app.Report", queue="low", args=["sales"])
    store.pause("low")
    return store


def put(store: SqlAdapter, job: str, queue: str, **fields: Any) -> str:
    """Store a job; its id."""
    made = payload(job, queue, **fields)
    store.enqueue([made])
    return made.id


def payload(job: str, queue: str, **fields: Any) -> Payload:
    usual = {"class": job, "args": [1], "jid": new_id(), "queue": queue, "created_at": 1.7e9}
    return Payload.of({**usual, "enqueued_at": 1.7e9, **fields})


def failed(claim: Claim) -> Requeue:
    error = {"error_class": "ConnectionError", "error_message": "no route", "executions": 2}
    payload = claim.payload.replace(**error, scheduled_at=4_000_000_000.0)
    return Requeue(claim, payload, State.RETRY, tally=Tally.FAILED)


def buried(claim: Claim) -> Bury:
    error = {"error_class": "ValueError", "error_message": "wrong", "executions": 26}
    return Bury(claim, claim.payload.replace(**error))


def ids(store: SqlAdapter, state: State) -> list[str]:
    return [stored.payload.id for stored in store.jobs(state, limit=1_000).items]


def put_batch(store: SqlAdapter, description: str, *queues: str) -> str:
    """A batch of a job in each of these queues; its id."""
    batch = NewBatch(new_id(), description)
    fields = {"class": "app.Member", "args": [], "bid": batch.id}
    jobs = [Payload.of({**fields, "jid": new_id(), "queue": queue}) for queue in queues]
    store.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
    return batch.id
