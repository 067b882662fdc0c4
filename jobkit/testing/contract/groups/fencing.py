"""Fencing: a claim that is no longer held changes nothing, whatever is tried with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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
)
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    peek,
    register,
    snapshot,
)

__all__ = ["Fencing"]

_LATER: Final = 4_000_000_000.0


def _requeue(held: Claim) -> Settlement:
    return Requeue(held, held.payload.replace(executions=9), State.ENQUEUED)


def _retry(held: Claim) -> Settlement:
    return Requeue(held, held.payload.replace(scheduled_at=_LATER), State.RETRY)


def _bury(held: Claim) -> Settlement:
    return Bury(held, held.payload.replace(error_class="Stale"))


def _checkpoint(held: Claim) -> Settlement:
    return Checkpoint(held, held.payload.replace(cursor="stale"))


def _reclaimed(adapter: Adapter, worker: str, held: Claim) -> None:
    adapter.settle([Release(held)])
    claim_one(adapter, worker)


def _recovered(adapter: Adapter, worker: str, held: Claim) -> None:
    del held
    adapter.recover(worker, to=register(adapter, "heir"))


def _retired(adapter: Adapter, worker: str, held: Claim) -> None:
    del held
    adapter.retire(worker)


def _settled(settlement: Callable[[Claim], Settlement]) -> Callable[[Adapter, str, Claim], None]:
    return lambda adapter, worker, held: _none(adapter.settle([settlement(held)]))


def _none(stale: list[Claim]) -> None:
    assert stale == []


SETTLEMENTS: Final[dict[str, Callable[[Claim], Settlement]]] = {
    "ack": Ack,
    "requeue": _requeue,
    "retry": _retry,
    "bury": _bury,
    "checkpoint": _checkpoint,
    "release": Release,
}

ENDS: Final[dict[str, Callable[[Adapter, str, Claim], None]]] = {
    "acked": _settled(Ack),
    "requeued": _settled(_requeue),
    "waiting": _settled(_retry),
    "buried": _settled(_bury),
    "released": _settled(Release),
    "reclaimed": _reclaimed,
    "recovered": _recovered,
    "retired": _retired,
}


class Fencing:
    """Stale claims on every verb."""

    @pytest.fixture(autouse=True)
    def _needs_fences(self, adapter: Adapter) -> None:
        if not adapter.features.fenced:
            pytest.skip(f"{type(adapter).__name__} has no fences (features.fenced)")

    @pytest.fixture(params=[*SETTLEMENTS.values()], ids=[*SETTLEMENTS])
    def settlement(self, request: pytest.FixtureRequest) -> Callable[[Claim], Settlement]:
        """Something to do with a claim."""
        made: Callable[[Claim], Settlement] = request.param
        return made

    @pytest.fixture(params=[*ENDS.values()], ids=[*ENDS])
    def stale(self, request: pytest.FixtureRequest, adapter: Adapter, worker: str) -> Claim:
        """A claim that is no longer held."""
        enqueue(adapter)
        held = claim_one(adapter, worker)
        request.param(adapter, worker, held)
        return held

    def test_a_stale_claim_is_returned_and_changes_nothing(
        self, adapter: Adapter, stale: Claim, settlement: Callable[[Claim], Settlement]
    ) -> None:
        before = snapshot(adapter)
        assert adapter.settle([settlement(stale)]) == [stale]
        assert snapshot(adapter) == before

    def test_a_stale_claim_is_called_lost(self, adapter: Adapter, stale: Claim) -> None:
        register(adapter, "worker")
        enqueue(adapter, queue="more")
        held = claim_one(adapter, "worker", "more")
        assert adapter.beat("worker", lease=30.0, claims=[held, stale]).lost == (stale,)

    def test_the_others_of_the_batch_are_settled(
        self, adapter: Adapter, stale: Claim, settlement: Callable[[Claim], Settlement]
    ) -> None:
        jobs = [enqueue(adapter, queue="more") for _ in range(3)]
        acked, released, kept = claim(adapter, register(adapter, "busy"), "more")
        batch = [Ack(acked), settlement(stale), Release(released), Checkpoint(kept, kept.payload)]
        assert adapter.settle(batch) == [stale]
        assert peek(adapter, "more") == [jobs[1].id]
        assert adapter.settle([Ack(kept)]) == []

    def test_exactly_the_stale_ones_are_returned(self, adapter: Adapter, worker: str) -> None:
        for _ in range(6):
            enqueue(adapter)
        claims = claim(adapter, worker)
        adapter.settle([Ack(claims[1]), Release(claims[4])])
        returned = adapter.settle([Ack(each) for each in claims])
        assert {each.receipt for each in returned} == {claims[1].receipt, claims[4].receipt}
        assert peek(adapter) == [claims[4].payload.id]

    def test_a_claim_is_spent_by_its_first_settlement_in_a_batch(
        self, adapter: Adapter, worker: str, settlement: Callable[[Claim], Settlement]
    ) -> None:
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        assert adapter.settle([Release(held), settlement(held)]) == [held]
        assert claim_one(adapter, worker).payload == job

    def test_a_checkpoint_spends_nothing(self, adapter: Adapter, worker: str) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        progress = [held.payload.replace(cursor=number) for number in (1, 2)]
        batch: list[Settlement] = [
            *(Checkpoint(held, each) for each in progress),
            Release(held),
            Ack(held),
        ]
        assert adapter.settle(batch) == [held]
        assert claim_one(adapter, worker).payload == progress[-1]

    def test_the_holder_is_not_harmed_by_a_stale_claim(
        self, adapter: Adapter, worker: str, settlement: Callable[[Claim], Settlement]
    ) -> None:
        enqueue(adapter)
        stale = claim_one(adapter, worker)
        heir = register(adapter, "heir")
        (current,) = adapter.recover(worker, to=heir)
        adapter.settle([settlement(stale)])
        assert adapter.beat(heir, lease=30.0, claims=[current]).lost == ()
        assert adapter.settle([Ack(current)]) == []
        assert peek(adapter) == []
