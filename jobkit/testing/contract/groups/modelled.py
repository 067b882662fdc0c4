"""Modelled: whatever is done in whatever order, the store is as a model of dictionaries."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from jobkit.adapter import Adapter
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.machine import AdapterMachine

__all__ = ["Modelled"]


class Modelled:
    """The state machine; the fixture `model_settings` says how long it is driven."""

    def test_whatever_is_done_the_store_is_as_the_model(
        self, adapter: Adapter, clock: ManualClock, model_settings: settings
    ) -> None:
        if not adapter.features.fenced:
            pytest.skip(f"{type(adapter).__name__} has no fences (features.fenced)")

        class Machine(AdapterMachine):
            def __init__(self) -> None:
                super().__init__(adapter, clock)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                model_settings,
                database=None,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
