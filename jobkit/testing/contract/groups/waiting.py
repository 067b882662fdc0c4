"""Waiting for work: woken when there may be some, back in time when there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from jobkit.adapter import Adapter, Release, Requeue, State
from jobkit.capabilities import SupportsPause, SupportsWait
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import claim_one, enqueue, promote, register

__all__ = ["Waiting"]

_FOR_EVER = 40.0
_SOON = 15.0
_SETTLED = 0.05  # long enough for a thread to wait in earnest; shorter would only test less


class Waiting:
    """`SupportsWait`, in real time."""

    def test_it_ends_when_the_time_is_over(self, waiter: SupportsWait) -> None:
        started = time.monotonic()
        waiter.wait(["default"], 0.05)
        assert time.monotonic() - started < _SOON

    def test_no_time_is_no_wait(self, waiter: SupportsWait) -> None:
        started = time.monotonic()
        waiter.wait(["default"], 0)
        assert time.monotonic() - started < _SOON

    def test_work_that_is_there_already_ends_it_at_once(
        self, adapter: Adapter, waiter: SupportsWait
    ) -> None:
        enqueue(adapter, queue="b")
        started = time.monotonic()
        waiter.wait(["a", "b"], _FOR_EVER)
        assert time.monotonic() - started < _SOON

    def test_an_enqueued_job_ends_it(
        self, waiter: SupportsWait, connect: Callable[[], Adapter]
    ) -> None:
        assert _woken(waiter, lambda: enqueue(connect()))

    def test_a_job_given_back_ends_it(self, adapter: Adapter, waiter: SupportsWait) -> None:
        enqueue(adapter)
        held = claim_one(adapter, register(adapter, "worker"))
        assert _woken(waiter, lambda: adapter.settle([Release(held)]))

    def test_a_requeued_job_ends_it(
        self, adapter: Adapter, waiter: SupportsWait, worker: str
    ) -> None:
        enqueue(adapter, queue="elsewhere")
        held = claim_one(adapter, worker, "elsewhere")
        back = Requeue(held, held.payload.replace(queue="default"), State.ENQUEUED)
        assert _woken(waiter, lambda: adapter.settle([back]))

    def test_a_worker_that_leaves_ends_it(
        self, adapter: Adapter, waiter: SupportsWait, worker: str
    ) -> None:
        enqueue(adapter)
        claim_one(adapter, worker)
        assert _woken(waiter, lambda: adapter.retire(worker))

    def test_a_job_that_falls_due_ends_it(
        self, adapter: Adapter, waiter: SupportsWait, clock: ManualClock
    ) -> None:
        enqueue(adapter, scheduled_at=clock.time() + 5)
        clock.advance(5)
        assert _woken(waiter, lambda: promote(adapter))

    def test_a_resumed_queue_ends_it(
        self, adapter: Adapter, waiter: SupportsWait, pauser: SupportsPause
    ) -> None:
        pauser.pause("default")
        enqueue(adapter)
        assert _woken(waiter, lambda: pauser.resume("default"))

    @pytest.mark.parametrize("waiters", [2, 8])
    def test_a_burst_wakes_everybody(
        self, adapter: Adapter, waiter: SupportsWait, waiters: int
    ) -> None:
        assert _woken(waiter, lambda: [enqueue(adapter) for _ in range(waiters)], waiters)


def _woken(waiter: SupportsWait, act: Callable[[], object], waiters: int = 1) -> bool:
    """Whether all who wait come back soon after the act."""
    threads = [
        threading.Thread(target=waiter.wait, args=(["default"], _FOR_EVER), daemon=True)
        for _ in range(waiters)
    ]
    for thread in threads:
        thread.start()
    threads[-1].join(_SETTLED)
    act()
    for thread in threads:
        thread.join(_SOON)
    return not any(thread.is_alive() for thread in threads)
