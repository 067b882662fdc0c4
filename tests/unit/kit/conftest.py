"""A program of its own for each test: no settings, no middleware, no subscribers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit import backends, events, middleware, settings
from jobkit.clock import SYSTEM
from jobkit_inline import FakeAdapter, InlineAdapter, use_adapter
from tests.unit.kit import jobs


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JOBKIT_")]:
        monkeypatch.delenv(name)
    settings.reset()
    jobs.ran.clear()
    before = events._subscribers
    yield
    events._subscribers = before
    middleware.clear()
    backends.close_all()
    settings.reset()


@pytest.fixture
def fake() -> Iterator[FakeAdapter]:
    with use_adapter(FakeAdapter()) as adapter:
        yield adapter


@pytest.fixture
def inline() -> Iterator[InlineAdapter]:
    with use_adapter(InlineAdapter()) as adapter:
        yield adapter


class Stopped:
    """A clock that stands where it is put."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    monotonic = staticmethod(SYSTEM.monotonic)
