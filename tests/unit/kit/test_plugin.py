"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from textwrap import dedent

import pytest

from jobkit import backends, settings
from jobkit_inline import FakeAdapter, assert_enqueued, assert_performed, drain
from jobkit_inline.helpers import using
from tests.unit.kit.jobs import Welcome, ran

IMPORTS = """
import pytest
from jobkit import backends
from jobkit_inline import *
from tests.unit.kit.jobs import Welcome
"""


@pytest.fixture(autouse=True)
def application() -> Iterator[None]:
    """The application's own backends: they are to be untouched, and to be back in the end."""
    settings.configure(url="memory://application", backends={"bulk": "memory://bulk"})
    yield
    assert not using.is_everywhere()
    assert type(backends.get()).__name__ == "MemoryAdapter"


def run(pytester: pytest.Pytester, tests: str, *, ini: str = "") -> pytest.RunResult:
    pytester.makeini(f"[pytest]\n{ini}")
    pytester.makepyfile(IMPORTS + dedent(tests))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "--strict-markers")


class TestFixtures:
    @pytest.mark.behaviour("K1", "K4")
    def test_fake_jobs_is_a_fake_for_every_backend_in_every_thread(
        self, fake_jobs: FakeAdapter
    ) -> None:
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(backends.get("bulk")))
        thread.start()
        thread.join()
        assert seen == [fake_jobs]
        Welcome.perform_later(1)
        assert_enqueued(Welcome)
        assert drain() == 1

    @pytest.mark.behaviour("K1")
    @pytest.mark.usefixtures("inline_jobs")
    def test_inline_jobs_runs_jobs_at_once(self) -> None:
        Welcome.perform_later(1)
        assert ran == [1]
        assert_performed(Welcome)

    @pytest.mark.behaviour("K1", "K4")
    def test_they_are_restored_after_each_test_also_after_an_error(
        self, pytester: pytest.Pytester
    ) -> None:
        result = run(
            pytester,
            """
            def test_fails(fake_jobs):
                Welcome.perform_later(1)
                raise ZeroDivisionError

            def test_breaks(inline_jobs):
                raise ZeroDivisionError

            def test_is_as_before():
                assert type(backends.get()).__name__ == "MemoryAdapter"

            def test_starts_empty(fake_jobs):
                assert_no_enqueued()
            """,
        )
        result.assert_outcomes(passed=2, failed=2)

    def test_a_failure_points_at_the_test_and_not_into_the_helper(
        self, pytester: pytest.Pytester
    ) -> None:
        result = run(
            pytester,
            """
            def test_call(fake_jobs):
                assert_enqueued(Welcome)

            def test_block(fake_jobs):
                with assert_enqueued(Welcome):
                    pass
            """,
        )
        result.stdout.fnmatch_lines(
            [
                ">       assert_enqueued(Welcome)",
                "E       AssertionError: expected a job to be enqueued: Welcome",
                "E       but no job was enqueued",
                "*test_*.py:7: AssertionError",
                ">       with assert_enqueued(Welcome):*",
                "*test_*.py:10: AssertionError",
            ]
        )
        result.stdout.no_fnmatch_line("*jobkit_inline?helpers*")


class TestMarkerAndIniOption:
    @pytest.mark.behaviour("K1")
    def test_the_ini_option_holds_for_every_test(self, pytester: pytest.Pytester) -> None:
        result = run(
            pytester,
            """
            import unittest

            def test_function():
                Welcome.perform_later(1)
                assert_enqueued(Welcome, count=1)

            class TestCase(unittest.TestCase):
                test = staticmethod(test_function)

            class TestMixin(JobAssertions, unittest.TestCase):
                test = staticmethod(test_function)
            """,
            ini="jobkit_adapter = fake",
        )
        result.assert_outcomes(passed=3)

    def test_the_fixture_of_that_kind_is_what_the_ini_option_made(
        self, pytester: pytest.Pytester
    ) -> None:
        result = run(
            pytester,
            """
            def test_same(_jobkit_adapter, fake_jobs):
                assert fake_jobs is _jobkit_adapter is backends.get()

            def test_other(_jobkit_adapter, inline_jobs):
                assert inline_jobs is backends.get() is not _jobkit_adapter
            """,
            ini="jobkit_adapter = fake",
        )
        result.assert_outcomes(passed=2)

    @pytest.mark.behaviour("K1")
    def test_the_nearest_marker_wins_over_the_ini_option(self, pytester: pytest.Pytester) -> None:
        result = run(
            pytester,
            """
            def kind():
                return type(backends.get()).__name__

            @pytest.mark.jobkit_adapter("inline")
            class TestInline:
                def test_class(self):
                    assert kind() == "InlineAdapter"

                @pytest.mark.jobkit_adapter("fake")
                def test_nearest(self):
                    assert kind() == "FakeAdapter"

            @pytest.mark.jobkit_adapter(None)
            def test_none():
                assert kind() == "MemoryAdapter"

            def test_ini():
                assert kind() == "FakeAdapter"
            """,
            ini="jobkit_adapter = fake",
        )
        result.assert_outcomes(passed=4)

    def test_the_adapter_is_there_before_other_fixtures(self, pytester: pytest.Pytester) -> None:
        result = run(
            pytester,
            """
            @pytest.fixture
            def user():
                return Welcome.perform_later(1)

            def test_it(user):
                assert_enqueued(Welcome)
            """,
            ini="jobkit_adapter = fake",
        )
        result.assert_outcomes(passed=1)

    def test_a_wrong_marker_is_refused(self, pytester: pytest.Pytester) -> None:
        result = run(
            pytester,
            """
            @pytest.mark.jobkit_adapter("faek")
            def test_unknown(): ...

            @pytest.mark.jobkit_adapter()
            def test_nothing(): ...

            @pytest.mark.jobkit_adapter("fake", "inline")
            def test_two(): ...

            @pytest.mark.jobkit_adapter(kind="fake")
            def test_keyword(): ...
            """,
        )
        result.assert_outcomes(errors=4)
        result.stdout.fnmatch_lines(["*marker jobkit_adapter takes 'fake', 'inline' or None*"])

    def test_a_wrong_ini_option_is_refused_at_once(self, pytester: pytest.Pytester) -> None:
        result = run(pytester, "def test_it(): ...", ini="jobkit_adapter = faek")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*option jobkit_adapter is 'faek': give fake or inline*"])

    def test_nothing_is_replaced_where_nobody_asks(self) -> None:
        assert type(backends.get()).__name__ == "MemoryAdapter"


def test_a_run_without_jobs_loads_no_jobkit(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert "jobkit_inline.plugin" in sys.modules
            assert "jobkit" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
