"""Batches on SQL: what no verb told them is found out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobkit.adapter import Ack
from jobkit.batching import Event, NewBatch
from jobkit.payload import new_id
from jobkit.testing.contract.support import claim, payload, peek, register
from jobkit_sql import SqlAdapter


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def adapter(file: Path) -> Iterator[SqlAdapter]:
    with closing(SqlAdapter(f"sqlite:///{file}")) as adapter:
        yield adapter


@pytest.mark.behaviour("J4")
def test_upkeep_finds_out_what_nobody_told_a_batch(adapter: SqlAdapter, file: Path) -> None:
    batch = NewBatch(new_id(), callbacks={Event.FINISH: payload(queue="finish")})
    jobs = [payload(bid=batch.id) for _ in range(3)]
    adapter.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
    adapter.settle([Ack(each) for each in claim(adapter, register(adapter, "w"), limit=1)])
    with closing(sqlite3.connect(file)) as other, other:  # as a program does that knows no batches
        other.execute("DELETE FROM jobkit_jobs")
    assert peek(adapter, "finish") == []
    adapter.maintain(limit=10)
    assert peek(adapter, "finish") == [batch.callbacks[Event.FINISH].id]
    found = adapter.batch(batch.id)
    assert found is not None
    assert (found.total, found.pending, found.succeeded) == (1, 0, 1)


@pytest.mark.behaviour("J4")
def test_a_batch_whose_storing_fails_is_not_there_at_all(
    adapter: SqlAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = NewBatch(new_id())
    adapter.enqueue([payload()])

    def broken(*_: object, **__: object) -> bool:
        raise OSError("the disk is full")

    monkeypatch.setattr("jobkit_sql.batching.Batches.close", broken)
    with pytest.raises(OSError, match="disk"):
        adapter.enqueue_batch(batch.id, [payload(bid=batch.id)], opens=batch, closes=True)
    assert adapter.batch(batch.id) is None
    assert len(peek(adapter)) == 1
