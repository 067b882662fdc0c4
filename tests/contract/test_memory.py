from collections.abc import Callable

import pytest

from jobkit.adapter import Adapter, Retention
from jobkit.testing import ManualClock
from jobkit.testing.contract import AdapterContract
from jobkit_inline import MemoryAdapter


class TestMemory(AdapterContract):
    @pytest.fixture
    def adapter(self, clock: ManualClock) -> Adapter:
        return MemoryAdapter(clock=clock)

    @pytest.fixture
    def keeping(self, clock: ManualClock) -> Callable[[Retention], Adapter]:
        return lambda retention: MemoryAdapter(clock=clock, retention=retention)
