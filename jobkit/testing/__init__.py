"""What helps to test jobkit and its adapters; the contract suite is `jobkit.testing.contract`."""

from jobkit.testing.clock import ManualClock

__all__ = ["ManualClock"]
