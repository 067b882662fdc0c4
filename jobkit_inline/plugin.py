"""The pytest plugin, loaded by itself where jobkit is installed.

It imports nothing of jobkit before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import pytest

if TYPE_CHECKING:
    from jobkit_inline.fake import FakeAdapter
    from jobkit_inline.inline import InlineAdapter
    from jobkit_inline.stage import Stage

__all__ = ["fake_jobs", "inline_jobs", "pytest_addoption", "pytest_configure"]

_NAME: Final = "jobkit_adapter"
_KINDS: Final = ("fake", "inline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the ini option."""
    parser.addini(
        _NAME, "The adapter of every jobkit backend in every test: fake or inline.", "string", ""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker, and refuse an unknown adapter before any test runs."""
    config.addinivalue_line(
        "markers",
        f"{_NAME}(kind): have every jobkit backend be 'fake' or 'inline' inside the test, or, with "
        "None, as it is configured",
    )
    kind = config.getini(_NAME)
    if kind and kind not in _KINDS:
        raise pytest.UsageError(f"the ini option {_NAME} is {kind!r}: give fake or inline")


@pytest.fixture(autouse=True)
def _jobkit_adapter(request: pytest.FixtureRequest) -> Iterator[Stage | None]:
    """The adapter that marker or ini option ask for, in place inside the test."""
    kind = _kind_of(request)
    if kind is None:
        yield None
    else:
        with _everywhere(kind) as adapter:
            yield adapter


@pytest.fixture
def fake_jobs(_jobkit_adapter: Stage | None) -> Iterator[FakeAdapter]:
    """One fake for every backend of the process inside the test: it records jobs, runs none."""
    with _everywhere("fake", _jobkit_adapter) as adapter:
        yield cast("FakeAdapter", adapter)


@pytest.fixture
def inline_jobs(_jobkit_adapter: Stage | None) -> Iterator[InlineAdapter]:
    """Every backend of the process runs jobs while they are enqueued, inside the test."""
    with _everywhere("inline", _jobkit_adapter) as adapter:
        yield cast("InlineAdapter", adapter)


def _kind_of(request: pytest.FixtureRequest) -> str | None:
    marker = request.node.get_closest_marker(_NAME)
    if marker is None:
        return request.config.getini(_NAME) or None
    if len(marker.args) != 1 or marker.kwargs or marker.args[0] not in (*_KINDS, None):
        pytest.fail(f"the marker {_NAME} takes 'fake', 'inline' or None", pytrace=False)
    kind: str | None = marker.args[0]
    return kind


@contextmanager
def _everywhere(kind: str, given: Stage | None = None) -> Generator[Stage]:
    """An adapter for every backend in the whole process; the `given` one if it is of that kind."""
    from jobkit_inline.helpers import using  # noqa: PLC0415 - by the first test that wants it

    if isinstance(given, using.KINDS[kind]):
        yield given
    else:
        with using.everywhere(using.KINDS[kind]()) as adapter:
            yield adapter
