"""Jobs with steps on the fake adapter, and a worker that stops when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobkit import backends, middleware, settings
from jobkit.adapter import State
from jobkit.arguments import serializers
from jobkit.holding import stop_signal
from jobkit.jobs import registry
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_inline import FakeAdapter


class Stop:
    """Whether the worker is about to stop; `at` makes it so after as many questions."""

    def __init__(self) -> None:
        self.left: float = float("inf")

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0

    def at(self, questions: int) -> None:
        """Answer "no" that many times, and "yes" from then on."""
        self.left = questions

    def never(self) -> None:
        self.left = float("inf")


class Fake(FakeAdapter):
    """Runs one job's runs one by one."""

    def run(self, times: int = 1) -> None:
        """Run what is enqueued so many times."""
        for _ in range(times):
            assert self.perform(lambda job: True) == 1

    def discard_and_store(self, payload: Payload) -> None:
        """Put this text in place of the job with its id."""
        self.forget(lambda job: job.payload.id == payload.id)
        self.enqueue([payload])

    @property
    def only(self) -> Payload:
        """The one job that is there."""
        [job] = [job for state in State for job in self.jobs(state).items]
        return job.payload

    @property
    def steps(self) -> Any:
        """What is stored of its steps."""
        return self.only.fields.get("steps")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(serializers, "_serializers", {})
    yield
    middleware.clear()
    settings.reset()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def fake(clock: ManualClock) -> Iterator[Fake]:
    adapter = Fake(clock=clock)
    with backends.override(adapter):
        yield adapter


@pytest.fixture
def stop() -> Iterator[Stop]:
    asked = Stop()
    token = stop_signal.set(asked)
    yield asked
    stop_signal.reset(token)
