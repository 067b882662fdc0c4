"""Every test starts with its own classes and nothing registered, subscribed or set."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from jobkit import backends, events, middleware, propagation, settings
from jobkit.arguments import serializers
from jobkit.jobs import registry
from jobkit.testing import ManualClock
from tests.unit.core.support import Heard, Store


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(serializers, "_serializers", {})
    monkeypatch.setattr(events, "_subscribers", ())
    monkeypatch.setattr(propagation, "_travellers", ())
    yield
    middleware.clear()
    settings.reset()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    """What every backend is inside the test; jobs are enqueued by the manual clock."""
    adapter = Store(clock=clock)
    with backends.override(adapter):
        yield adapter


@pytest.fixture
def heard() -> Heard:
    """Every event, in order."""
    listener = Heard()
    events.subscribe(listener)
    return listener


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.fixture
def full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most that is drawn at random: just below 1, rounded up here."""
    monkeypatch.setattr(random, "random", lambda: 1.0)
