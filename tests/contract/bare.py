"""The contract over an adapter that can no more than it must; run by `test_contract.py`."""

from collections.abc import Sequence

import pytest

from jobkit.adapter import Adapter, Beat, Claim, Features, Maintenance, Presence, Settlement
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit.testing.contract import AdapterContract
from jobkit_inline import MemoryAdapter


class BareAdapter(Adapter):
    features = Features(durable=False, fenced=False, priority=False)

    def __init__(self, clock: ManualClock) -> None:
        self._inner = MemoryAdapter(clock=clock)

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        self._inner.enqueue(payloads)

    def claim(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        return self._inner.claim(queues, limit=limit, worker=worker)

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        return self._inner.settle(settlements)

    def beat(
        self,
        worker: str,
        *,
        lease: float,
        claims: Sequence[Claim] | None,
        register: bool = False,
        presence: Presence | None = None,
    ) -> Beat:
        return self._inner.beat(
            worker, lease=lease, claims=claims, register=register, presence=presence
        )

    def maintain(self, *, limit: int) -> Maintenance:
        return self._inner.maintain(limit=limit)

    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        return self._inner.recover(worker, to=to, beat=beat)

    def retire(self, worker: str) -> int:
        return self._inner.retire(worker)


class FencedAdapter(BareAdapter):
    features = Features(durable=True, max_payload=2000)


class TestBare(AdapterContract):
    @pytest.fixture
    def adapter(self, clock: ManualClock) -> Adapter:
        return BareAdapter(clock)


class TestFenced(AdapterContract):
    @pytest.fixture
    def adapter(self, clock: ManualClock) -> Adapter:
        return FencedAdapter(clock)


class TestUnfinished(AdapterContract):
    """Defines no adapter."""
