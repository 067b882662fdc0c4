"""What a failed assertion says, word for word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from textwrap import dedent

import pytest

from jobkit import enqueue
from jobkit_inline import (
    assert_enqueued,
    assert_no_enqueued,
    assert_no_performed,
    assert_performed,
    drain,
)
from tests.unit.kit.jobs import Cleanup, Flaky, Welcome

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)

pytestmark = [pytest.mark.behaviour("K1"), pytest.mark.usefixtures("fake")]


def is_short(args: list[object]) -> bool:
    return len(args) < 1


def says(assertion: Callable[[], object], text: str) -> None:
    with pytest.raises(AssertionError) as failure:
        assertion()
    assert str(failure.value) == dedent(text).strip()


def test_nothing_at_all() -> None:
    says(
        lambda: assert_enqueued(Welcome, args=[1], queue="mailers"),
        """
        expected a job to be enqueued: Welcome with args [1], queue 'mailers'
        but no job was enqueued
        """,
    )


def test_none_of_that_class() -> None:
    Cleanup.perform_later()
    Cleanup.perform_later()
    enqueue("billing.Charge")
    says(
        lambda: assert_enqueued(Welcome),
        """
        expected a job to be enqueued: Welcome
        but none of this class was enqueued; there were:
          2 x Cleanup
          1 x billing.Charge
        """,
    )


def test_these_of_that_class_and_how_they_differ() -> None:
    Cleanup.perform_later(1)
    Welcome.perform_later(2)
    Welcome.set(queue="low", priority=3, wait_until=NOON).perform_later(1, locale="de")
    says(
        lambda: assert_enqueued(
            Welcome, args=[1], kwargs={"locale": "de"}, queue="mailers", at=NOON, priority=0
        ),
        """
        expected a job to be enqueued: Welcome with args [1], kwargs {'locale': 'de'}, """
        """queue 'mailers', priority 0, at 2030-01-01 12:00:00+00:00
        but those of this class that were enqueued differ:
          Welcome with args [2], queue 'mailers'
            args is [2], not [1]
            kwargs is {}, not {'locale': 'de'}
            at is none, not 2030-01-01 12:00:00+00:00
          Welcome with args [1], kwargs {'locale': 'de'}, queue 'low', priority 3, """
        """at 2030-01-01 12:00:00+00:00
            queue is 'low', not 'mailers'
            priority is 3, not 0
        """,
    )


def test_predicates_by_name() -> None:
    Welcome.perform_later(1)
    says(
        lambda: assert_enqueued(Welcome, args=is_short),
        """
        expected a job to be enqueued: Welcome with args meeting is_short
        but those of this class that were enqueued differ:
          Welcome with args [1], queue 'mailers'
            args is [1], not meeting is_short
        """,
    )


def test_a_predicate_of_the_class() -> None:
    Welcome.perform_later(1)
    says(
        lambda: assert_enqueued(lambda job_class: job_class is Cleanup),
        """
        expected a job to be enqueued: any job of a class meeting <lambda>
        but none of this class was enqueued; there were:
          1 x Welcome
        """,
    )


def test_any_class() -> None:
    Welcome.perform_later(1)
    says(
        lambda: assert_enqueued(queue="low"),
        """
        expected a job to be enqueued: any job with queue 'low'
        but those that were enqueued differ:
          Welcome with args [1], queue 'mailers'
            queue is 'mailers', not 'low'
        """,
    )


def test_too_few() -> None:
    Welcome.perform_later(1)
    Welcome.perform_later(2)
    says(
        lambda: assert_enqueued(Welcome, args=[1], count=2),
        """
        expected exactly 2 jobs to be enqueued: Welcome with args [1]
        but 1 was:
          Welcome with args [1], queue 'mailers'
        and those of this class that were enqueued differ:
          Welcome with args [2], queue 'mailers'
            args is [2], not [1]
        """,
    )


def test_too_many_and_a_long_list() -> None:
    Welcome.perform_bulk((n,) for n in range(12))
    says(
        lambda: assert_enqueued(Welcome, count=1),
        """
        expected exactly 1 job to be enqueued: Welcome
        but 12 were:
          Welcome with args [0], queue 'mailers'
          Welcome with args [1], queue 'mailers'
          Welcome with args [2], queue 'mailers'
          Welcome with args [3], queue 'mailers'
          Welcome with args [4], queue 'mailers'
          Welcome with args [5], queue 'mailers'
          Welcome with args [6], queue 'mailers'
          Welcome with args [7], queue 'mailers'
          Welcome with args [8], queue 'mailers'
          Welcome with args [9], queue 'mailers'
          and 2 more
        """,
    )


def test_one_that_should_not_be_there() -> None:
    Welcome.perform_later(1)
    Cleanup.perform_later()
    says(
        lambda: assert_no_enqueued(Welcome),
        """
        expected no job to be enqueued: Welcome
        but 1 was:
          Welcome with args [1], queue 'mailers'
        """,
    )
    says(
        assert_no_enqueued,
        """
        expected no job to be enqueued
        but 2 were:
          Welcome with args [1], queue 'mailers'
          Cleanup with args [], queue 'default'
        """,
    )


def test_performed_ones() -> None:
    says(
        lambda: assert_performed(Flaky),
        """
        expected a job to be performed: Flaky
        but no job was performed
        """,
    )
    Flaky.perform_later(1)
    drain()
    says(
        lambda: assert_no_performed(Flaky),
        """
        expected no job to be performed: Flaky
        but 1 was:
          Flaky with args [1], queue 'default'
        """,
    )


def test_performed_ones_that_differ_and_those_of_other_classes() -> None:
    Welcome.perform_later(1)
    drain()
    says(
        lambda: assert_performed(Welcome, args=[2]),
        """
        expected a job to be performed: Welcome with args [2]
        but those of this class that were performed differ:
          Welcome with args [1], queue 'mailers'
            args is [1], not [2]
        """,
    )
    says(
        lambda: assert_performed(Cleanup),
        """
        expected a job to be performed: Cleanup
        but none of this class was performed; there were:
          1 x Welcome
        """,
    )


def test_a_count_that_nothing_meets() -> None:
    says(
        lambda: assert_enqueued(Welcome, count=2),
        """
        expected exactly 2 jobs to be enqueued: Welcome
        but no job was enqueued
        """,
    )
    Welcome.perform_later(1)
    says(
        lambda: assert_enqueued(Welcome, count=0),
        """
        expected exactly 0 jobs to be enqueued: Welcome
        but 1 was:
          Welcome with args [1], queue 'mailers'
        """,
    )


def test_blocks_of_runs_say_so_too() -> None:
    Welcome.perform_later(1)

    def none_inside() -> None:
        with assert_performed(Welcome, count=1):
            pass

    def one_inside() -> None:
        with assert_no_performed():
            drain()

    says(
        none_inside,
        """
        expected exactly 1 job to be performed in the block: Welcome
        but no job was performed in the block
        """,
    )
    says(
        one_inside,
        """
        expected no job to be performed in the block
        but 1 was:
          Welcome with args [1], queue 'mailers'
        """,
    )


def test_blocks_say_so() -> None:
    Welcome.perform_later(1)

    def none_inside() -> None:
        with assert_enqueued(Welcome):
            pass

    def another_inside() -> None:
        with assert_enqueued(Welcome):
            Cleanup.perform_later()

    def one_inside() -> None:
        with assert_no_enqueued(Welcome):
            Welcome.perform_later(2)

    says(
        none_inside,
        """
        expected a job to be enqueued in the block: Welcome
        but no job was enqueued in the block
        """,
    )
    says(
        another_inside,
        """
        expected a job to be enqueued in the block: Welcome
        but none of this class was enqueued in the block; there were:
          1 x Cleanup
        """,
    )
    says(
        one_inside,
        """
        expected no job to be enqueued in the block: Welcome
        but 1 was:
          Welcome with args [2], queue 'mailers'
        """,
    )


def test_long_values_are_cut_and_strange_characters_escaped() -> None:
    Welcome.perform_later("ä" * 300)
    with pytest.raises(AssertionError) as failure:
        assert_enqueued(Welcome, args=["b"])
    assert str(failure.value).isascii()
    assert "\\xe4" * 10 in str(failure.value)
    assert max(map(len, str(failure.value).splitlines())) < 260
