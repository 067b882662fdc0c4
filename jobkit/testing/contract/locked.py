"""Unique jobs, for the tests of the contract."""

from __future__ import annotations

from typing import Any, Final

from jobkit.adapter import Adapter, Bury
from jobkit.capabilities import SupportsUnique
from jobkit.payload import Payload
from jobkit.testing.contract.support import claim_one, payload, register

__all__ = ["WAYS", "dead", "lost", "stored", "unique"]

WAYS: Final = ("success", "start", "time")


def unique(key: str = "k", until: str = "success", **fields: Any) -> Payload:
    """A job with a lock; one that ends by time does so after a minute."""
    lock: dict[str, Any] = {"key": key, "until": until}
    if until == "time":
        lock |= {"for": 60.0}
    if (on_conflict := fields.pop("on_conflict", None)) is not None:
        lock |= {"on_conflict": on_conflict}
    return payload(unique=lock, **fields)


def stored(uniquely: SupportsUnique, *args: str, **fields: Any) -> Payload:
    """Store a unique job that must be stored."""
    job = unique(*args, **fields)
    assert uniquely.enqueue_unique([job]) == [None]
    return job


def lost(uniquely: SupportsUnique, *args: str, **fields: Any) -> str | None:
    """What another unique job loses to; None, and it is stored, if to none."""
    return uniquely.enqueue_unique([unique(*args, **fields)])[0]


def dead(adapter: Adapter, uniquely: SupportsUnique, key: str = "k") -> Payload:
    """A unique job in the dead set."""
    job = stored(uniquely, key)
    claim = claim_one(adapter, register(adapter, "undertaker"))
    adapter.settle([Bury(claim, claim.payload)])
    return job
