"""`jobkit jobs move`, from one SQLite file to another, to Redis and back."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jobkit.adapter import State
from jobkit.batching import NewBatch
from jobkit.capabilities import StoredJob
from jobkit.payload import new_id
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.integration.cli.conftest import WORKER, Put, Run, payload
from tests.servers.valkey import running
from tests.unit.worker.helpers import until

HERE, THERE = "sqlite:///jobkit.db", "sqlite:///there.db"


def test_jobs_are_moved_and_counted(run: Run, store: SqlAdapter, put: Put) -> None:
    put.enqueued("a")
    put.scheduled("b")
    put.retry("c")
    put.dead("d")
    store.retire(WORKER)
    done = run("jobs", "move", "--from", HERE, "--to", THERE)
    assert (done.code, done.err) == (0, "")
    assert done.out == "4 moved: 1 scheduled, 1 retry, 1 enqueued, 1 dead\n"
    with closing(SqlAdapter(THERE)) as there:
        states = {job.payload.id: job.state for job in there.find(list("abcd"))}
    assert states == {
        "a": State.ENQUEUED,
        "b": State.SCHEDULED,
        "c": State.RETRY,
        "d": State.DEAD,
    }
    again = run("jobs", "move", "--from", HERE, "--to", THERE, "--json")
    assert again.json == {"moved": {}, "lost": 0, "changed": 0, "running": 0, "batched": 0}


def test_it_refuses_while_workers_are_there(run: Run, store: SqlAdapter, put: Put) -> None:
    put.enqueued("a")
    done = run("jobs", "move", "--from", HERE, "--to", THERE)
    assert done.code == 1
    assert "stop them" in done.err
    assert store.stats().enqueued == 1


def test_what_a_lost_worker_holds_is_left_and_told(run: Run, store: SqlAdapter, put: Put) -> None:
    put.enqueued("a")
    store.beat("unseen", lease=30, claims=(), register=True)
    store.claim(["default"], limit=1, worker="unseen")
    store.retire(WORKER)
    done = run("jobs", "move", "--from", HERE, "--to", THERE)
    assert done.code == 1
    assert "1 running jobs were left" in done.err


def test_members_of_a_batch_are_left_and_told(run: Run, store: SqlAdapter) -> None:
    batch = NewBatch(new_id())
    store.enqueue_batch(batch.id, [payload("a", bid=batch.id)], opens=batch, closes=True)
    store.retire(WORKER)
    done = run("jobs", "move", "--from", HERE, "--to", THERE)
    assert (done.code, done.out) == (1, "0 moved\n")
    assert "1 members of batches were left" in done.err
    assert store.stats().enqueued == 1


def test_a_store_is_not_moved_to_itself(run: Run) -> None:
    assert run("jobs", "move", "--from", HERE, "--to", HERE).code == 2


def test_a_move_that_is_killed_goes_on(
    run: Run, start: Callable[..., subprocess.Popen[str]], store: SqlAdapter
) -> None:
    store.retire(WORKER)
    number = 20_000
    for first in range(0, number, 1_000):
        jobs = [
            StoredJob(payload(f"j{nth}"), State.SCHEDULED, "", 4e9 + nth)
            for nth in range(first, first + 1_000)
        ]
        store.restore(jobs)
    process = start("jobs", "move", "--from", HERE, "--to", THERE)
    with closing(SqlAdapter(THERE)) as there:
        until(lambda: Path("there.db").exists() and there.stats().scheduled > 0, 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert there.stats().scheduled + store.stats().scheduled >= number
        assert run("jobs", "move", "--from", HERE, "--to", THERE).code == 0
        assert (store.stats().scheduled, there.stats().scheduled) == (0, number)


def test_to_redis_and_back(run: Run, store: SqlAdapter, put: Put, tmp_path: Path) -> None:
    put.enqueued("a", priority=3, tags=["t"])
    put.scheduled("b")
    put.retry("c")
    put.dead("d")
    put.unreadable("no job")
    store.retire(WORKER)
    states = (State.SCHEDULED, State.RETRY, State.DEAD)
    before = {state: lying(store, state) for state in states}
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running(folder) as server:
        url = server.url()
        assert run("jobs", "move", "--from", HERE, "--to", url).code == 0
        with closing(RedisAdapter(url)) as there:
            assert {state: lying(there, state) for state in states} == before
            (enqueued,) = there.jobs(State.ENQUEUED).items
            assert (enqueued.payload.priority, enqueued.payload.tags) == (3, ("t",))
        assert run("jobs", "move", "--from", url, "--to", THERE).code == 0
    with closing(SqlAdapter(THERE)) as back:
        assert {state: lying(back, state) for state in states} == before
        assert back.stats().enqueued == 1


def lying(store: SqlAdapter | RedisAdapter, state: State) -> list[tuple[str, float]]:
    # Of microseconds: scores are doubles, and are written as text.
    return [(job.payload.text, round(job.at, 5)) for job in store.jobs(state).items]


@pytest.mark.parametrize(("option", "other"), [("--from", "--to"), ("--to", "--from")])
def test_a_url_that_no_adapter_serves_is_named_by_its_option(
    run: Run, option: str, other: str
) -> None:
    done = run("jobs", "move", option, "nope://x", other, "sqlite:///here.db")
    assert done.code == 1
    assert done.err.startswith(f"Error: {option}: no adapter serves nope:// URLs; known are: ")
