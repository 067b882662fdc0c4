"""`jobkit batches`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobkit.adapter import Bury
from jobkit.batching import NewBatch
from jobkit.payload import Payload, new_id
from jobkit_sql import SqlAdapter

Run = Callable[..., Any]


@pytest.fixture
def batch(store: SqlAdapter) -> str:
    """A batch of two jobs, of which one is dead."""
    new = NewBatch(new_id(), "prices.csv")
    fields = {"class": "app.Member", "args": [], "bid": new.id}
    jobs = [Payload.of({**fields, "jid": new_id()}) for _ in range(2)]
    store.enqueue_batch(new.id, jobs, opens=new, closes=True)
    store.beat("worker", lease=30, claims=[], register=True)
    (claim,) = store.claim(["default"], limit=1, worker="worker")
    store.settle([Bury(claim, claim.payload)])
    store.retire("worker")
    return new.id


def test_batches_are_listed_for_people_and_for_programs(run: Run, batch: str) -> None:
    headers, line = run("batches", "list").out.splitlines()
    assert headers.split()[:2] == ["ID", "DESCRIPTION"]
    assert line.split()[:6] == [batch, "prices.csv", "2", "1", "0", "1"]
    (told,) = run("batches", "list", "--json").json
    assert (told["id"], told["total"], told["finished_at"]) == (batch, 2, None)


def test_a_page_tells_where_the_next_one_begins(run: Run, store: SqlAdapter, batch: str) -> None:
    newer = NewBatch(new_id(), "newer")
    store.enqueue_batch(newer.id, [], opens=newer, closes=True)
    page = run("batches", "list", "--limit", "1", "--json")
    assert [each["id"] for each in page.json] == [newer.id]
    cursor = page.err.split()[-1]
    assert [each["id"] for each in run("batches", "list", "--after", cursor, "--json").json] == [
        batch
    ]


def test_a_batch_is_shown(run: Run, batch: str) -> None:
    assert batch in run("batches", "show", batch).out
    (told,) = run("batches", "show", batch, "--json").json
    assert (told["pending"], told["succeeded"], told["failed"]) == (1, 0, 1)


def test_what_failed_is_run_again(run: Run, batch: str) -> None:
    assert run("batches", "retry", batch).out == "1 enqueued\n"
    assert run("batches", "show", batch, "--json").json[0]["pending"] == 2


def test_what_waits_is_cancelled(run: Run, batch: str) -> None:
    assert run("batches", "cancel", batch, "--json").json == {"changed": 1}
    assert "cancelled" in run("batches", "list").out


@pytest.mark.parametrize("command", ["show", "retry", "cancel"])
def test_an_unknown_batch_is_told(run: Run, store: SqlAdapter, command: str) -> None:
    del store
    done = run("batches", command, "nothing")
    assert done.code == 1
    assert "there is no batch 'nothing'" in done.err
