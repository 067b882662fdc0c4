"""The examples of docs/howto/test-your-jobs.md are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "test-your-jobs.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_every_example_passes(pytester: pytest.Pytester) -> None:
    module, *tests = blocks("python")
    pytester.makepyfile(shop=module, **{f"test_{n}": text for n, text in enumerate(tests)})
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=11)


def test_the_failure_is_what_a_test_says(pytester: pytest.Pytester) -> None:
    [expected] = blocks("text")
    pytester.makepyfile(
        shop=blocks("python")[0],
        test_it="""
        from jobkit_inline import assert_enqueued
        from shop import Welcome, sign_up

        def test_it(fake_jobs):
            sign_up(1)
            assert_enqueued(Welcome, args=[3])
        """,
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    said = [line[1:].removeprefix("       ") for line in result.outlines if line.startswith("E")]
    assert [line.removeprefix("AssertionError: ") for line in said] == expected.splitlines()


def test_the_setting_is_known(pytester: pytest.Pytester) -> None:
    [setting] = blocks("toml")
    pytester.makepyprojecttoml(setting)
    pytester.makepyfile("def test_it(_jobkit_adapter): assert _jobkit_adapter")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
