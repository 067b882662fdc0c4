"""Limits where a claim is two steps: the jobs are lent, then they find their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from jobkit.adapter import Claim, Release
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
