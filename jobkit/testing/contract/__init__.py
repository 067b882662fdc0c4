"""The contract suite: what every adapter must do, for adapters anywhere.

    from jobkit.testing.contract import AdapterContract

    class TestMine(AdapterContract):
        @pytest.fixture
        def adapter(self, clock):
            return MyAdapter(..., clock=clock)

`adapter` gives a new, empty store that lives by `clock`, a `jobkit.testing.ManualClock`; closing
and removing it is the fixture's business. More fixtures may be overridden where a store can do
more; `AdapterContract` has their defaults:

    connect             makes another client of the same store, as another process would have
    opener              a picklable function that opens the same store in another process
    keeping             makes an adapter on a new, empty store that keeps what a `Retention` says
    unstorable          a payload that the store cannot keep: half a character, if not replaced
    model_settings      how long hypothesis drives the adapter beside the model

What an adapter cannot do is skipped with the reason: a capability by its class, a feature by
`Adapter.features`. Needs pytest and hypothesis.
"""

import pytest

# Before the groups are imported: their assertions shall show values as a test's own do.
pytest.register_assert_rewrite("jobkit.testing.contract.groups", "jobkit.testing.contract.machine")

from jobkit.testing.contract.suite import AdapterContract  # noqa: E402 - see above

__all__ = ["AdapterContract"]
