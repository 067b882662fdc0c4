"""The contract as one class: the fixtures, and the groups of tests that use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from hypothesis import settings

from jobkit.adapter import Adapter, Retention
from jobkit.batching import SupportsBatches
from jobkit.cancelling import SupportsCancel
from jobkit.capabilities import (
    SupportsInspect,
    SupportsLimits,
    SupportsManage,
    SupportsPause,
    SupportsTicks,
    SupportsUnique,
    SupportsWait,
)
from jobkit.measures import SupportsMetrics
from jobkit.offering import SupportsOffers
from jobkit.payload import Payload
from jobkit.restoring import SupportsRestore
from jobkit.results import SupportsResults
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract import groups
from jobkit.testing.contract.support import payload, register

__all__ = ["AdapterContract"]


class AdapterContract:
    """Everything an adapter must do; a subclass has a fixture `adapter`.

    The groups stand inside, so that each has fixtures and reasons to be skipped of its own. A
    subclass may replace one by a class that inherits from it.
    """

    # What every adapter does

    TestEnqueueing = groups.Enqueueing
    TestClaiming = groups.Claiming
    TestOrdering = groups.Ordering
    TestPrioritizing = groups.Prioritizing
    TestScheduling = groups.Scheduling
    TestSettling = groups.Settling
    TestRequeueing = groups.Requeueing
    TestFencing = groups.Fencing
    TestRefusing = groups.Refusing
    TestLeasing = groups.Leasing
    TestHolding = groups.Holding
    TestRetiring = groups.Retiring
    TestRecovering = groups.Recovering
    TestPreserving = groups.Preserving
    TestKeeping = groups.Keeping
    TestClosing = groups.Closing

    # What some can do besides

    TestTallying = groups.Tallying
    TestInspecting = groups.Inspecting
    TestFinding = groups.Finding
    TestListing = groups.Listing
    TestFiltering = groups.Filtering
    TestMoving = groups.Moving
    TestDeleting = groups.Deleting
    TestCommanding = groups.Commanding
    TestCancelling = groups.Cancelling
    TestPausing = groups.Pausing
    TestMeasuring = groups.Measuring
    TestRestoring = groups.Restoring
    TestResulting = groups.Resulting
    TestTicking = groups.Ticking
    TestLimiting = groups.Limiting
    TestRating = groups.Rating
    TestBatching = groups.Batching
    TestFinishing = groups.Finishing
    TestAmending = groups.Amending
    TestNesting = groups.Nesting
    TestUniqueness = groups.Uniqueness
    TestLocking = groups.Locking
    TestWaiting = groups.Waiting
    TestOffering = groups.Offering

    # Everything at once

    TestWorking = groups.Working

    TestModelled = groups.Modelled
    TestCompeting = groups.Competing
    TestSeparated = groups.Separated

    # To be overridden

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time the store lives by."""
        return ManualClock()

    @pytest.fixture
    def adapter(self, clock: ManualClock) -> Adapter:
        """The adapter to be tested, on a new and empty store; every subclass has its own."""
        del clock
        pytest.fail("the contract needs a fixture `adapter`: see jobkit.testing.contract")

    @pytest.fixture
    def connect(self, adapter: Adapter) -> Callable[[], Adapter]:
        """Makes another client of the same store; by default there is one for all."""
        return lambda: adapter

    @pytest.fixture
    def opener(self, adapter: Adapter) -> Callable[[], Adapter]:
        """Opens the same store in another process, where that is possible.

        It is pickled: a function of a module, or a `functools.partial` of one.
        """
        if adapter.features.durable:
            pytest.skip("no fixture `opener` tells how other processes open the store")
        pytest.skip(f"the store of {type(adapter).__name__} is not durable: one process has it")

    @pytest.fixture
    def keeping(self) -> Callable[[Retention], Adapter]:
        """Makes an adapter on a new, empty store with that retention."""
        pytest.skip("no fixture `keeping` tells how to make an adapter with a retention")

    @pytest.fixture
    def unstorable(self) -> Payload:
        """A payload that the store cannot keep; by default its text has half a character."""
        return Payload(payload(args=["\ud800"]).text)

    @pytest.fixture
    def model_settings(self) -> settings:
        """How long the adapter is driven beside the model; the same examples in every run."""
        return settings(max_examples=60, stateful_step_count=30, derandomize=True)

    # Workers

    @pytest.fixture
    def worker(self, adapter: Adapter) -> str:
        """A registered worker."""
        return register(adapter, "worker")

    @pytest.fixture
    def other(self, adapter: Adapter) -> str:
        """Another registered worker."""
        return register(adapter, "other")

    # Capabilities: the adapter as what it can do besides, or a skip that says what it cannot.

    @pytest.fixture
    def waiter(self, adapter: Adapter) -> SupportsWait:
        """The adapter, if it can wait for work."""
        return adapter if isinstance(adapter, SupportsWait) else _lacks(adapter, SupportsWait)

    @pytest.fixture
    def offerer(self, adapter: Adapter) -> SupportsOffers:
        """The adapter, if it can lend to workers that wait."""
        return adapter if isinstance(adapter, SupportsOffers) else _lacks(adapter, SupportsOffers)

    @pytest.fixture
    def inspector(self, adapter: Adapter) -> SupportsInspect:
        """The adapter, if it can tell what it holds."""
        return adapter if isinstance(adapter, SupportsInspect) else _lacks(adapter, SupportsInspect)

    @pytest.fixture
    def manager(self, adapter: Adapter) -> SupportsManage:
        """The adapter, if it can change what waits."""
        return adapter if isinstance(adapter, SupportsManage) else _lacks(adapter, SupportsManage)

    @pytest.fixture
    def canceller(self, adapter: Adapter) -> SupportsCancel:
        """The adapter, if it can cancel jobs."""
        return adapter if isinstance(adapter, SupportsCancel) else _lacks(adapter, SupportsCancel)

    @pytest.fixture
    def pauser(self, adapter: Adapter) -> SupportsPause:
        """The adapter, if it can pause queues."""
        return adapter if isinstance(adapter, SupportsPause) else _lacks(adapter, SupportsPause)

    @pytest.fixture
    def ticker(self, adapter: Adapter) -> SupportsTicks:
        """The adapter, if it can keep recurring entries."""
        return adapter if isinstance(adapter, SupportsTicks) else _lacks(adapter, SupportsTicks)

    @pytest.fixture
    def measurer(self, adapter: Adapter) -> SupportsMetrics:
        """The adapter, if it can keep what workers measured."""
        return adapter if isinstance(adapter, SupportsMetrics) else _lacks(adapter, SupportsMetrics)

    @pytest.fixture
    def restorer(self, adapter: Adapter) -> SupportsRestore:
        """The adapter, if it can take jobs as another store had them."""
        return adapter if isinstance(adapter, SupportsRestore) else _lacks(adapter, SupportsRestore)

    @pytest.fixture
    def results(self, adapter: Adapter) -> SupportsResults:
        """The adapter, if it can keep what jobs came to."""
        return adapter if isinstance(adapter, SupportsResults) else _lacks(adapter, SupportsResults)

    @pytest.fixture
    def limiter(self, adapter: Adapter) -> SupportsLimits:
        """The adapter, if it can keep jobs within limits."""
        return adapter if isinstance(adapter, SupportsLimits) else _lacks(adapter, SupportsLimits)

    @pytest.fixture
    def batcher(self, adapter: Adapter) -> SupportsBatches:
        """The adapter, if it can keep batches."""
        return adapter if isinstance(adapter, SupportsBatches) else _lacks(adapter, SupportsBatches)

    @pytest.fixture
    def uniquely(self, adapter: Adapter) -> SupportsUnique:
        """The adapter, if it can hold unique jobs."""
        return adapter if isinstance(adapter, SupportsUnique) else _lacks(adapter, SupportsUnique)


def _lacks(adapter: Adapter, capability: type) -> NoReturn:
    pytest.skip(f"{type(adapter).__name__} lacks the capability {capability.__name__}")
