"""JobAssertions: the same for unittest."""

from __future__ import annotations

import unittest
from typing import Any

import pytest

import jobkit_inline
from jobkit import backends
from jobkit_inline import FakeAdapter, InlineAdapter, JobAssertions
from jobkit_inline.helpers import using
from tests.unit.kit.jobs import Welcome, ran

HELPERS = [name for name in jobkit_inline.__all__ if name.islower() and name != "use_adapter"]


def results_of(case: type[unittest.TestCase]) -> unittest.TestResult:
    return unittest.defaultTestLoader.loadTestsFromTestCase(case).run(unittest.TestResult())


@pytest.mark.behaviour("K1")
@pytest.mark.parametrize("name", HELPERS)
def test_it_has_every_helper(name: str) -> None:
    assert getattr(JobAssertions, name) is getattr(jobkit_inline, name)


@pytest.mark.behaviour("K1")
def test_each_test_has_a_fake_of_its_own_set_up_included() -> None:
    used: list[Any] = []

    class Case(JobAssertions, unittest.TestCase):
        def setUp(self) -> None:
            Welcome.perform_later(1)

        def test_one(self) -> None:
            used.append(backends.get("anything"))
            self.assert_enqueued(Welcome, count=1)
            with self.assert_enqueued(Welcome, args=[2]):
                Welcome.perform_later(2)
            assert self.perform_enqueued_jobs() == 2
            self.assert_performed(Welcome, count=2)

        test_two = test_one

        def test_three(self) -> None:
            self.assert_enqueued(Welcome, args=[7])

    result = results_of(Case)
    assert (result.testsRun, len(result.failures), result.errors) == (3, 1, [])
    assert "args is [1], not [7]" in result.failures[0][1]
    assert [type(adapter) for adapter in used] == [FakeAdapter, FakeAdapter]
    assert used[0] is not used[1]
    assert not using.is_everywhere()


def test_it_serves_asynchronous_tests() -> None:
    class Case(JobAssertions, unittest.IsolatedAsyncioTestCase):
        async def test_it(self) -> None:
            await Welcome.aperform_later(1)
            self.assert_enqueued(Welcome)

    assert results_of(Case).wasSuccessful()


def test_it_restores_after_an_error() -> None:
    class Case(JobAssertions, unittest.TestCase):
        def test_it(self) -> None:
            raise ZeroDivisionError

    assert len(results_of(Case).errors) == 1
    assert not using.is_everywhere()


def test_it_leaves_in_place_what_the_plugin_chose() -> None:
    class Case(JobAssertions, unittest.TestCase):
        def test_it(self) -> None:
            Welcome.perform_later(1)

    with using.everywhere(InlineAdapter()):
        assert results_of(Case).wasSuccessful()
    assert ran == [1]


def test_it_must_stand_before_the_test_case() -> None:
    with pytest.raises(TypeError, match="Wrong: name JobAssertions before TestCase"):
        type("Wrong", (unittest.TestCase, JobAssertions), {})  # pyright: ignore[reportGeneralTypeIssues]
