"""The dashboard over a real store with a little of everything in it.

SQLite, and at full size (`SOAK`) PostgreSQL and Valkey too; what is marked `every_store` runs on
all three each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from starlette.testclient import TestClient

import jobkit
from jobkit import backends, settings
from jobkit.adapter import Bury, Claim, Presence, Requeue, State, Tally
from jobkit.batching import NewBatch
from jobkit.clock import Clock
from jobkit.dashboard import create_app
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.servers.postgres import Postgres
from tests.servers.valkey import Server, running
from tests.soak import SOAK

Store: TypeAlias = SqlAdapter | RedisAdapter

STORES: Final = ("sqlite", "postgresql", "redis")
WORKER = "host-1:4711:abcdef"
PRESENCE = Presence("host-1", 4711, ("default", "mailers"), 10, 1_700_000_000.0)
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

Client = Callable[..., TestClient]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        everywhere = SOAK or metafunc.definition.get_closest_marker("every_store")
        metafunc.parametrize("kind", STORES if everywhere else STORES[:1])


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """A store of that kind, empty; a server starts with the first test that needs it."""
    match kind:
        case "postgresql":
            postgres: Postgres = request.getfixturevalue("postgres")
            return postgres.emptied("web")
        case "redis":
            server: Server = request.getfixturevalue("valkey")
            with server.client() as client:
                client.flushall()
            return server.url()
        case _:
            folder: Path = request.getfixturevalue("tmp_path")
            return f"sqlite:///{folder}/jobs.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The store that the dashboard shows, still empty."""
    settings.reset()
    settings.override(url=url)
    with closing(opened(url)) as adapter:
        yield adapter
    backends.close_all()
    settings.reset()


@pytest.fixture
def client(store: Store) -> Iterator[Client]:
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
def full(store: Store) -> Store:
    """The store with a worker that runs a job, and jobs in every state."""
    store.beat(WORKER, lease=3_000, claims=(), register=True, presence=PRESENCE)
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


def opened(url: str, clock: Clock | None = None) -> Store:
    """An adapter of one's own for the store."""
    kind = RedisAdapter if url.startswith("unix") else SqlAdapter
    return kind(url, clock=clock)


def put(store: Store, job: str, queue: str, **fields: Any) -> str:
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


def ids(store: Store, state: State) -> list[str]:
    return [stored.payload.id for stored in store.jobs(state, limit=1_000).items]


def put_batch(store: Store, description: str, *queues: str) -> str:
    """A batch of a job in each of these queues; its id."""
    batch = NewBatch(new_id(), description)
    fields = {"class": "app.Member", "args": [], "bid": batch.id}
    jobs = [Payload.of({**fields, "jid": new_id(), "queue": queue}) for queue in queues]
    store.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
    return batch.id
