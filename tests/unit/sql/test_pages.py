from __future__ import annotations

import base64
import json

import pytest

from jobkit.adapter import Bury, State
from jobkit.capabilities import JobFilter
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import claim, enqueue, ids


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def walk(adapter: SqlAdapter, state: State, where: JobFilter, limit: int) -> list[str]:
    page = adapter.jobs(state, where=where, limit=limit)
    found = ids(page.items)
    while page.next:
        page = adapter.jobs(state, where=where, limit=limit, after=page.next)
        assert page.items
        found += ids(page.items)
    return found


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "no cursor",
        "ünïcode",
        "bm8gY3Vyc29y",
        forged(),
        forged("scheduled"),
        forged("scheduled", 1.5),
        forged("scheduled", 1.5, 2, 3),
        forged("scheduled", "1.5", 2),
        forged("scheduled", 1.5, True),
        forged("scheduled", 1.5, 2**63),
        forged("scheduled", 1.5, None),
        forged("retry", 1.5, 2),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
)
def test_a_malformed_cursor_is_refused_in_a_sentence(adapter: SqlAdapter, cursor: str) -> None:
    with pytest.raises(ValueError, match=r"is no cursor.*: take it from the page before"):
        adapter.jobs(State.SCHEDULED, after=cursor)


def test_a_cursor_with_text_no_database_takes_is_malformed(adapter: SqlAdapter) -> None:
    with pytest.raises(ValueError, match="is no cursor"):
        adapter.jobs(State.ENQUEUED, after=forged("enqueued", "\ud800", 0, 1.5, 2))


def test_a_cursor_of_all_queues_is_none_for_one_of_them(adapter: SqlAdapter) -> None:
    for _ in range(2):
        enqueue(adapter)
    after = adapter.jobs(State.ENQUEUED, limit=1).next
    with pytest.raises(ValueError, match="no cursor for this list"):
        adapter.jobs(State.ENQUEUED, where=JobFilter(queue="default"), after=after)


def test_a_page_of_nothing_cannot_be_asked_for(adapter: SqlAdapter) -> None:
    with pytest.raises(ValueError, match="a page of 0 jobs"):
        adapter.jobs(State.DEAD, limit=0)


@pytest.mark.parametrize("where", [JobFilter(), JobFilter(queue="a"), JobFilter(text="even")])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_cut_a_list_without_gap_or_repetition(
    adapter: SqlAdapter, clock: ManualClock, where: JobFilter, limit: int
) -> None:
    expected: list[tuple[int, int, str]] = []
    for priority in (5, -5, 0):
        for nth in range(4):
            # Pairs of the same age: the key decides among them.
            clock.advance(nth % 2)
            args = ["even" if nth % 2 == 0 else "odd"]
            job = enqueue(adapter, queue="a", priority=priority, args=args)
            if where.text is None or args == ["even"]:
                expected.append((priority, len(expected), job.id))
    assert walk(adapter, State.ENQUEUED, where, limit) == [job for *_, job in sorted(expected)]


def test_a_page_is_not_disturbed_by_what_is_removed_behind_it(
    adapter: SqlAdapter, clock: ManualClock, worker: str
) -> None:
    jobs = [enqueue(adapter) for _ in range(6)]
    for held in claim(adapter, worker):
        clock.advance(1)
        adapter.settle([Bury(held, held.payload)])
    page = adapter.jobs(State.DEAD, limit=2)
    assert adapter.delete(page.items) == 2
    rest = adapter.jobs(State.DEAD, after=page.next)
    assert ids(rest.items) == [job.id for job in jobs[3::-1]]


def test_ids_are_found_in_the_order_they_are_asked_for(adapter: SqlAdapter) -> None:
    jobs = [enqueue(adapter) for _ in range(3)]
    asked = [jobs[2].id, "unknown", jobs[0].id, jobs[2].id]
    assert ids(adapter.find(asked)) == [jobs[2].id, jobs[0].id]


@pytest.mark.parametrize("text", ["100%", "a_b", "é", '"two"', "[1,"])
def test_a_text_is_looked_for_as_it_is(adapter: SqlAdapter, text: str) -> None:
    enqueue(adapter, args=["1000 axb e", 0])
    enqueue(adapter, args=[1, "two", "100% a_b é"])
    page = adapter.jobs(State.ENQUEUED, where=JobFilter(text=text))
    assert len(page.items) == 1
