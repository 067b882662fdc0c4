"""The sorted index beside a sorted list."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.adapter import State
from jobkit_inline.memory.index import Index
from jobkit_inline.memory.records import Envelope, Job

ENVELOPE = Envelope("default", 0, "J", None, 0)
JOB = Job("", 0, "{}", ENVELOPE, State.DEAD, run_at=0.0, at=0.0)


def job(number: int) -> Job:
    return replace(JOB, sequence=number, at=float(number))


def filled(*numbers: int) -> Index:
    index = Index()
    for number in numbers:
        index.add(job(number))
    return index


def test_an_empty_index_has_no_first() -> None:
    assert (filled().first(), len(filled()), list(filled())) == (None, 0, [])


def test_jobs_stand_in_the_order_of_their_keys() -> None:
    index = filled(3, 1, 2)
    assert [each.sequence for each in index] == [1, 2, 3]
    assert [each.sequence for each in index.descending()] == [3, 2, 1]


def test_a_job_that_comes_back_finds_its_place() -> None:
    index = filled(1, 2, 3)
    for number in (1, 2):
        index.remove(job(number))
        assert index.first() is not None
    index.add(job(1))
    assert [each.sequence for each in index] == [1, 3]


def test_a_job_may_come_before_all_that_have_left() -> None:
    index = filled(5, 6, 7)
    index.remove(job(5))
    assert index.first() == job(6)
    index.add(job(1))
    assert [each.sequence for each in index] == [1, 6, 7]


def test_paging_needs_no_job_at_the_cursor() -> None:
    index = filled(1, 2, 3, 4)
    index.remove(job(2))
    assert [each.sequence for each in index.ascending(job(2).key)] == [3, 4]
    assert [each.sequence for each in index.descending(job(3).key)] == [1]


def test_those_who_left_are_forgotten() -> None:
    index = filled(*range(10_000))
    for number in range(9_990):
        index.remove(job(number))
    assert len(index._keys) < 200
    assert [each.sequence for each in index] == list(range(9_990, 10_000))


@settings(max_examples=200, derandomize=True, database=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=300))
def test_the_index_is_as_a_sorted_list(steps: list[tuple[bool, int]]) -> None:
    index, expected = Index(), set[int]()
    for add, number in steps:
        if add and number not in expected:
            index.add(job(number))
            expected.add(number)
        elif not add and number in expected:
            index.remove(job(number))
            expected.remove(number)
        assert index.first() == (job(min(expected)) if expected else None)
        assert [each.sequence for each in index] == sorted(expected)
        assert [each.sequence for each in index.descending()] == sorted(expected, reverse=True)
        after = [each.sequence for each in index.ascending(job(20).key)]
        assert after == sorted(each for each in expected if each > 20)
