"""Waiting in tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobkit.worker import Worker


def until(condition: Callable[[], object], seconds: float = 40.0) -> None:
    """Wait for what must come; fails the test when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.002)


def looks_anew(worker: Worker) -> None:
    """Return when the worker has begun to look whether it may claim; one that had, has claimed."""
    begun, claimer = threading.Event(), worker._claimer
    look = claimer._return_the_stale

    def noted() -> None:
        begun.set()
        look()

    claimer._return_the_stale = noted  # type: ignore[method-assign]
    assert begun.wait(40)
