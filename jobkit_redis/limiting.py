"""Limits, as the scripts keep them (`lua/parts/limits.lua`)."""

from __future__ import annotations

from itertools import islice
from typing import Final

from jobkit.capabilities import LimitInfo
from jobkit_redis.receipts import decoded
from jobkit_redis.replies import pairs
from jobkit_redis.store import Store

__all__ = ["Limits"]

_CHUNK: Final = 200


class Limits:
    """Tells the limits in use."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self) -> list[LimitInfo]:
        """See `SupportsLimits.limits`."""
        keys, found = self._store.keys, list[LimitInfo]()
        (known,) = self._store.here.pool.ask(("HGETALL", keys.limits))
        places = iter(pairs(known))
        while chunk := list(islice(places, _CHUNK)):
            told = self._store.run(
                "places", [keys.limits], [self._store.now, *(place for place, _ in chunk)]
            )
            found += [
                _info(place, measure, *numbers)
                for (place, measure), numbers in zip(chunk, told, strict=True)
                if any(numbers)
            ]
        return sorted(found, key=lambda each: (each.key, each.per or 0.0))


def _info(place: bytes, measure: bytes, used: int, blocked: int) -> LimitInfo:
    key = decoded(place).partition(":")[2]
    to, _, per = measure.decode().partition(" ")
    return LimitInfo(key, int(to), float(per) if per else None, used, blocked)
