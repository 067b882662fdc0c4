"""Tallies: an ended run is counted once, with the settlement that ends it."""

from __future__ import annotations

import pytest

from jobkit.adapter import (
    Ack,
    Adapter,
    Bury,
    Checkpoint,
    Claim,
    Release,
    Requeue,
    Settlement,
    State,
    Tally,
)
from jobkit.capabilities import DayStats, SupportsInspect
from jobkit.clock import as_datetime
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import claim, claim_one, enqueue, payload, register

__all__ = ["Tallying"]

_DAY = 86_400


class Tallying:
    """The totals `processed` and `failed`, in all and for each day."""

    @pytest.mark.parametrize(
        ("tally", "processed", "failed"),
        [(Tally.PROCESSED, 1, 0), (Tally.FAILED, 1, 1), (Tally.NEITHER, 0, 0)],
    )
    @pytest.mark.parametrize("kind", ["ack", "requeue", "bury"])
    def test_a_run_counts_as_its_settlement_says(
        self,
        adapter: Adapter,
        inspector: SupportsInspect,
        worker: str,
        kind: str,
        tally: Tally,
        processed: int,
        failed: int,
    ) -> None:
        enqueue(adapter)
        adapter.settle([_ending(kind, claim_one(adapter, worker), tally)])
        assert _totals(inspector) == (processed, failed)

    def test_what_ends_no_run_counts_nothing(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        adapter.settle([Checkpoint(held, held.payload)])
        adapter.settle([Release(held)])
        claim_one(adapter, worker)
        adapter.recover(worker, to=register(adapter, "heir"))
        adapter.retire("heir")
        assert _totals(inspector) == (0, 0)

    def test_a_stale_settlement_counts_nothing(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        adapter.settle([Ack(held)])
        for kind in ("ack", "requeue", "bury"):
            adapter.settle([_ending(kind, held, Tally.FAILED)])
        assert _totals(inspector) == (1, 0)

    def test_a_batch_counts_every_run_in_it(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str
    ) -> None:
        adapter.enqueue([payload() for _ in range(60)])
        claims = claim(adapter, worker)
        stale = claims[0]
        adapter.settle([Ack(stale)])
        tallies = [Tally.PROCESSED, Tally.FAILED, Tally.NEITHER]
        adapter.settle([Ack(each, tallies[nth % 3]) for nth, each in enumerate(claims)])
        assert _totals(inspector) == (1 + 19 + 20, 20)

    def test_the_totals_outlive_the_jobs(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, worker: str
    ) -> None:
        for _ in range(3):
            enqueue(adapter)
            adapter.settle([Ack(claim_one(adapter, worker))])
            clock.advance(_DAY)
            adapter.maintain(limit=10)
        assert _totals(inspector) == (3, 0)

    def test_the_days_are_told_oldest_first_and_without_gaps(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock, worker: str
    ) -> None:
        started = clock.time()
        for tally in (Tally.PROCESSED, Tally.NEITHER, Tally.FAILED):
            enqueue(adapter)
            adapter.settle([Ack(claim_one(adapter, worker), tally)])
            clock.advance(_DAY)
        days = [as_datetime(started + _DAY * nth).date() for nth in range(-1, 4)]
        counted = [(0, 0), (1, 0), (0, 0), (1, 1), (0, 0)]
        expected = [DayStats(day, *counts) for day, counts in zip(days, counted, strict=True)]
        assert inspector.history(5) == expected
        assert inspector.history(2) == expected[-2:]


def _ending(kind: str, held: Claim, tally: Tally) -> Settlement:
    match kind:
        case "ack":
            return Ack(held, tally)
        case "bury":
            return Bury(held, held.payload, tally)
        case _:
            return Requeue(held, held.payload, State.ENQUEUED, tally=tally)


def _totals(inspector: SupportsInspect) -> tuple[int, int]:
    stats = inspector.stats()
    return stats.processed, stats.failed
