"""A store in memory for every test, and no entries left of another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobkit import backends, middleware, settings
from jobkit.entries import declared
from jobkit.testing import ManualClock
from jobkit_inline import MemoryAdapter


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryAdapter]:
    monkeypatch.setattr(declared, "_declared", {})
    adapter = MemoryAdapter(clock=clock)
    with backends.override(adapter):
        yield adapter
    middleware.clear()
    settings.reset()
