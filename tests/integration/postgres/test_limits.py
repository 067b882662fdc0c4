"""Limits where a claim is two steps: the jobs are lent, then they find their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import psycopg
import pytest

from jobkit.adapter import Claim, Release
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from jobkit_sql.claim import Take
from jobkit_sql.verdict import Verdict
from tests.unit.sql.support import claim, enqueue, ids, register

ONE = [{"key": "k", "to": 1}]


def test_what_others_took_between_the_two_is_not_handed_out(
    adapter: SqlAdapter,
    worker: str,
    connect: Callable[[], SqlAdapter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bug: a worker that stood still there ran a job beside the one that had its place."""
    other = connect()
    register(other, "other")
    entered = Take._entered

    def late(take: Take, claims: Sequence[Claim], token: str) -> Verdict:
        monkeypatch.undo()
        other.settle([Release(each) for each in other.recover(worker, to="other")])
        return entered(take, claims, token)

    limited, plain = enqueue(adapter, limits=ONE), enqueue(adapter)
    monkeypatch.setattr(Take, "_entered", late)
    # Of what has no limit nothing is known there: it is fenced where it ends.
    assert ids(claim(adapter, worker)) == [plain.id]
    assert ids(claim(other, "other")) == [limited.id, plain.id]


def test_who_waits_for_a_rate_behind_one_that_is_locked_is_looked_after_soon(
    url: str, other: psycopg.Connection
) -> None:
    """The bug: once the next start was old enough, which may be an hour, with a place free."""
    clock = ManualClock()
    with closing(SqlAdapter(url, clock=clock)) as adapter:
        register(adapter, "worker")
        jobs = [enqueue(adapter, limits=[{"key": "k", "to": 2, "per": 3600}]) for _ in range(4)]
        for _ in range(2):
            assert len(claim(adapter, "worker", limit=1)) == 1
            clock.advance(1000)
        assert claim(adapter, "worker") == []
        clock.advance(1600)  # the first start is old enough, the second one in 1000 seconds
        with other.transaction(force_rollback=True):
            other.execute("SELECT FROM jobkit_jobs WHERE id = %s FOR UPDATE", [jobs[2].id])
            assert adapter.maintain(limit=10).due_in == 5.0
        clock.advance(5)
        adapter.maintain(limit=10)
        assert ids(claim(adapter, "worker")) == [jobs[2].id]
