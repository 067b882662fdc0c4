"""A store with a clock of its own, and the life of one job run by run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from jobkit import Job
from jobkit.adapter import Ack, Bury, Claim, Release, Requeue, Settlement, State
from jobkit.arguments import Arguments
from jobkit.backends import HasOwnTime
from jobkit.events import Event
from jobkit.execution import execute
from jobkit.jobs import run_of
from jobkit.jobs.writing import payload_of
from jobkit.outcome import Outcome, Retried, Snoozed
from jobkit.payload import Payload
from jobkit.settlement import settlement_of
from jobkit.testing import ManualClock
from jobkit_inline import MemoryAdapter

WAITING = (State.ENQUEUED, State.SCHEDULED, State.RETRY)


class Store(MemoryAdapter, HasOwnTime):
    """A memory store by whose manual clock jobs are enqueued; it counts the calls."""

    calls = 0

    def now(self) -> float:
        return self._clock.time()

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        self.calls += 1
        super().enqueue(payloads)

    @property
    def stored(self) -> list[Payload]:
        """Everything that waits."""
        return [job.payload for state in WAITING for job in self.jobs(state, limit=10_000).items]

    @property
    def only(self) -> Payload:
        [payload] = self.stored
        return payload


class Heard:
    """A subscriber that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    def only(self, name: str) -> Event:
        [event] = [event for event in self.events if event.name == name]
        return event


class Life:
    """One job, run again and again as a worker and a store would, its waits passed over."""

    def __init__(self, clock: ManualClock, job_class: Any, *args: Any, **kwargs: Any) -> None:
        self.clock = clock
        new = payload_of(job_class.new(*args, **kwargs), clock.time())
        self.payload = Payload(new.text)
        self.outcomes: list[Outcome] = []
        self.settlements: list[Settlement] = []

    def run(self, times: int = 1) -> Outcome:
        """Run it so many times, waiting as long as it asks in between; the last outcome."""
        for _ in range(times):
            assert not self.ended, f"the job ended by {self.outcomes[-1]}"
            self._run()
        return self.outcomes[-1]

    def run_out(self, most: int = 100) -> Outcome:
        """Run it until it ends; the last outcome."""
        while not self.ended:
            assert len(self.outcomes) < most, "the job does not end"
            self._run()
        return self.outcomes[-1]

    @property
    def ended(self) -> bool:
        return bool(self.settlements) and isinstance(self.settlements[-1], (Ack, Bury))

    @property
    def delays(self) -> list[float]:
        """What it waited after each run that was not the last."""
        waited = [each for each in self.outcomes if isinstance(each, (Retried, Snoozed))]
        return [outcome.delay for outcome in waited]

    def _run(self) -> None:
        claim = Claim(self.payload, "receipt", self.payload.deliveries)
        outcome = outcome_of(self.payload, self.clock)
        settlement = settlement_of(claim, outcome, self.clock.time())
        self.outcomes.append(outcome)
        self.settlements.append(settlement)
        if isinstance(settlement, (Requeue, Bury)):
            self.payload = Payload(settlement.payload.text)
        if isinstance(settlement, Requeue):
            self.clock.advance(getattr(outcome, "delay", 0.0))
        assert isinstance(settlement, (Ack, Bury, Requeue, Release))


def outcome_of(payload: Payload, clock: ManualClock) -> Outcome:
    """The outcome of one run, as a worker's thread would have it."""
    return execute(run_of(payload), clock=clock, wait_for=asyncio.run)


def stored_form(job_class: Any, *args: Any, **kwargs: Any) -> Payload:
    """The payload of an instance, enqueued at the clock's beginning."""
    return Payload(payload_of(job_class.new(*args, **kwargs), ManualClock().time()).text)


def arguments_for(annotation: Any, **options: Any) -> Arguments:
    """The arguments of a `perform(self, value: annotation)`."""

    def perform(self: Job, value: Any) -> None: ...

    perform.__annotations__ = {"value": annotation}
    return Arguments("Sample", perform, **options)


def round_trip(annotation: Any, value: Any) -> Any:
    """The value after it was stored and loaded through the annotation."""
    arguments = arguments_for(annotation)
    args, kwargs = arguments.dump([value], {})
    text = json.dumps(args, allow_nan=False)  # what every store can keep
    [loaded], _ = arguments.load(json.loads(text), kwargs)
    return loaded


def raising(error: BaseException | Callable[[], BaseException]) -> type[Job]:
    """A job class whose perform raises the error, or what the callable makes."""

    class Raising(Job):
        def perform(self) -> None:
            raise error() if callable(error) else error

    return Raising
