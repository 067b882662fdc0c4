"""Refusing: what the store cannot keep is named, and harms nothing beside it."""

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
from jobkit.errors import AdapterError, SettlementRefused
from jobkit.payload import Payload
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    payload,
    peek,
)

__all__ = ["Refusing"]

SETTLEMENTS: Final[dict[str, Callable[[Claim, Payload], Settlement]]] = {
    "requeue": lambda held, text: Requeue(held, text, State.ENQUEUED),
    "retry": lambda held, text: Requeue(held, text, State.RETRY),
    "bury": Bury,
    "checkpoint": Checkpoint,
}


class Refusing:
    """`SettlementRefused`, with the fixture `unstorable`."""

    @pytest.fixture(params=[*SETTLEMENTS.values()], ids=[*SETTLEMENTS])
    def refused(
        self, request: pytest.FixtureRequest, unstorable: Payload
    ) -> Callable[[Claim], Settlement]:
        """Something to do with a claim that the store refuses."""
        made: Callable[[Claim, Payload], Settlement] = request.param
        return lambda held: made(held, unstorable)

    def test_of_a_batch_with_what_cannot_be_kept_nothing_is_stored(
        self, adapter: Adapter, unstorable: Payload
    ) -> None:
        with pytest.raises(AdapterError):
            adapter.enqueue([payload(), unstorable, payload()])
        assert peek(adapter) == []

    def test_the_settlement_is_named_and_its_claim_still_held(
        self, adapter: Adapter, worker: str, refused: Callable[[Claim], Settlement]
    ) -> None:
        enqueue(adapter)
        held = claim_one(adapter, worker)
        settlement = refused(held)
        with pytest.raises(SettlementRefused) as error:
            adapter.settle([settlement])
        assert (error.value.refused, error.value.stale) == ((settlement,), ())
        assert adapter.beat(worker, lease=30.0, claims=[held]).lost == ()
        assert peek(adapter) == []

    def test_the_job_is_as_it_was_and_can_be_settled_otherwise(
        self, adapter: Adapter, worker: str, refused: Callable[[Claim], Settlement]
    ) -> None:
        job = enqueue(adapter)
        held = claim_one(adapter, worker)
        with pytest.raises(SettlementRefused):
            adapter.settle([refused(held)])
        assert adapter.settle([Release(held)]) == []
        assert claim_one(adapter, worker).payload == job

    @pytest.mark.parametrize("guilty", range(4))
    def test_all_others_of_the_batch_are_applied(
        self,
        adapter: Adapter,
        worker: str,
        refused: Callable[[Claim], Settlement],
        guilty: int,
    ) -> None:
        adapter.enqueue([payload() for _ in range(4)])
        claims = claim(adapter, worker)
        batch: list[Settlement] = [Ack(each) for each in claims]
        batch[guilty] = refused(claims[guilty])
        with pytest.raises(SettlementRefused) as error:
            adapter.settle(batch)
        assert error.value.refused == (batch[guilty],)
        assert adapter.retire(worker) == 1
        assert peek(adapter) == [claims[guilty].payload.id]

    def test_all_that_were_refused_and_all_that_were_stale_are_named(
        self, adapter: Adapter, worker: str, unstorable: Payload
    ) -> None:
        adapter.enqueue([payload() for _ in range(6)])
        claims = claim(adapter, worker)
        adapter.settle([Ack(claims[1]), Release(claims[4])])
        batch: list[Settlement] = [Ack(each) for each in claims]
        batch[0], batch[3] = Bury(claims[0], unstorable), Bury(claims[3], unstorable)
        with pytest.raises(SettlementRefused) as error:
            adapter.settle(batch)
        assert error.value.refused == (batch[0], batch[3])
        assert {each.receipt for each in error.value.stale} == {
            claims[1].receipt,
            claims[4].receipt,
        }
