"""What `jobkit_inline` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import jobkit_inline
from jobkit import backends, settings
from jobkit.errors import ConfigurationError
from jobkit_inline import FakeAdapter, InlineAdapter
from tests.unit.kit import jobs


@pytest.mark.behaviour("K1")
def test_the_public_names_are_these() -> None:
    assert set(jobkit_inline.__all__) == {
        "FakeAdapter",
        "InlineAdapter",
        "JobAssertions",
        "MemoryAdapter",
        "assert_enqueued",
        "assert_no_enqueued",
        "assert_no_performed",
        "assert_performed",
        "clear_jobs",
        "drain",
        "enqueued_jobs",
        "perform_enqueued_jobs",
        "performed_jobs",
        "use_adapter",
    }
    assert dir(jobkit_inline) == sorted(jobkit_inline.__all__)


@pytest.mark.parametrize("name", jobkit_inline.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(jobkit_inline, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'assert_enqued'"):
        getattr(jobkit_inline, "assert_enqued")  # noqa: B009 - type checkers see it, too


def loaded_by(statement: str, *modules: str) -> str:
    script = f"import sys; {statement}; print([m for m in {modules} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_the_plugin_loads_nothing_of_jobkit_before_it_is_used() -> None:
    loaded = loaded_by("import jobkit_inline.plugin", "jobkit", "pydantic", "jobkit_inline.fake")
    assert loaded == "[]"


def test_an_adapter_loads_neither_helpers_nor_pytest() -> None:
    statement = "from jobkit_inline import MemoryAdapter, InlineAdapter, FakeAdapter"
    assert loaded_by(statement, "pytest", "unittest", "jobkit_inline.helpers") == "[]"


def test_pytest_finds_the_plugin_by_itself() -> None:
    [point] = entry_points(group="pytest11", name="jobkit")
    assert point.value == "jobkit_inline.plugin"


def test_inline_runs_by_url_with_no_test_kit_imported() -> None:
    script = (
        "import sys, jobkit\n"
        "jobkit.configure(url='inline://')\n"
        "@jobkit.job(name='greet')\n"
        "def greet(name: str) -> None: print('hello', name)\n"
        "greet.perform_later('Ada')\n"
        "assert 'jobkit_inline.helpers' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "hello Ada"


def test_both_are_configured_by_url() -> None:
    settings.configure(url="inline://", backends={"recorded": "fake://"})
    assert isinstance(backends.get(), InlineAdapter)
    assert isinstance(backends.get("recorded"), FakeAdapter)
    jobs.Welcome.perform_later(1)
    jobs.Welcome.set(backend="recorded").perform_later(2)
    assert jobs.ran == [1]


@pytest.mark.parametrize("url", ["inline://name", "fake://?x=1", "fake:///a"])
def test_a_url_has_neither_name_nor_options(url: str) -> None:
    settings.configure(url=url)
    with pytest.raises(ConfigurationError, match="takes neither name nor options"):
        backends.get()
