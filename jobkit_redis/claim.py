"""The verb claim, and waiting until there is something to claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Any, Final

from jobkit.adapter import Claim
from jobkit.errors import LeaseLost
from jobkit_redis.listener import Heard
from jobkit_redis.placing import names, queue_keys
from jobkit_redis.receipts import claims_of
from jobkit_redis.store import WINDOW, Store

__all__ = ["Take"]

POLL: Final = 0.13
"""Seconds between looks, at most: what Ruby pushes wakes nobody."""

_AFTER_WAKE: Final = WINDOW + 0.003
"""Seconds after a wake-up when everything that it stood for has come."""

_ALMOST: Final = 0.01

_TRUSTED: Final = 1.0
"""Seconds for which an idle worker is taken to be registered still."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The queues were seen empty at that monotonic time, after so much was heard of them."""

    queues: frozenset[str]
    at: float
    heard: Heard


class Take:
    """Lends jobs with one script call over all queues.

    An idle worker asks over and over, so that a claim that follows on an empty one looks with one
    command, however many queues there are, and takes only if it saw something, or if it was called.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._look: _Look | None = None
        self._calm: dict[str, float] = {}
        """Workers whose last claim found nothing, and when they were seen to be registered."""

    def __call__(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        served = tuple(dict.fromkeys(queues))
        if worker in self._calm and not self._called(served) and not self._anything(served, worker):
            return []
        look = self._looking(served)
        claims = self._claim(served, limit, worker)
        if claims:
            self._calm.pop(worker, None)
        else:
            self._look = look
            self._calm[worker] = look.at
        return claims

    def forget(self, worker: str) -> None:
        """The worker may be gone: look closely."""
        self._calm.pop(worker, None)

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """See `SupportsWait.wait`."""
        served = tuple(dict.fromkeys(queues))
        listener, known = self._store.here.listener, names(served)
        deadline = monotonic() + timeout
        gap = timeout / max(1, ceil(timeout / POLL))
        look = self._look
        if look is None or look.queues != frozenset(served) or look.at < monotonic() - gap:
            look = self._seen_empty(served)
        while look is not None and (now := monotonic()) < deadline:
            if listener.heard(known).number != look.heard.number:
                return
            due = look.at + gap
            if look.at < look.heard.at + _AFTER_WAKE:
                due = min(due, look.heard.at + _AFTER_WAKE)
            if due > deadline - _ALMOST:  # whoever waited claims next, which is a look as well
                due = deadline
            if now >= due:
                look = self._seen_empty(served)
            elif listener.wait(known, look.heard, due - now):
                return

    def _claim(self, queues: Sequence[str], limit: int, worker: str) -> list[Claim]:
        while True:
            flat = self._ask(queues, limit, worker)
            if len(flat) % 2 == 0:
                return claims_of(worker, flat)
            if len(flat) > 1:  # the rest were set aside, and there may be more behind them
                return claims_of(worker, flat[:-1])

    def _ask(self, queues: Sequence[str], limit: int, worker: str) -> list[Any]:
        store, keys = self._store, self._store.keys
        flat: list[Any] | None = store.run(
            "claim",
            [
                keys.workers,
                keys.claimed(worker),
                keys.paused,
                *queue_keys(keys, queues),
                keys.locks,
            ],
            [worker, max(limit, 0), store.token(), store.now, keys.channel, *names(queues)],
        )
        if flat is None:
            self.forget(worker)
            raise LeaseLost(f"the worker {worker} is not registered (any more)")
        return flat

    def _called(self, queues: tuple[str, ...]) -> bool:
        """Whether something was heard of these queues since they were seen empty."""
        look = self._look
        if look is None or look.queues != frozenset(queues):
            return False
        return self._store.here.listener.heard(names(queues)).number != look.heard.number

    def _anything(self, queues: tuple[str, ...], worker: str) -> bool:
        """Whether it is worth while to run the script: always, if the worker may be gone."""
        look = self._looking(queues)
        if look.at - self._calm[worker] >= _TRUSTED:
            if not self._registered(worker):
                return True
            self._calm[worker] = look.at
        if self._exists(queues):
            return True
        self._look = look
        return False

    def _registered(self, worker: str) -> bool:
        (found,) = self._store.here.pool.ask(("HEXISTS", self._store.keys.workers, worker))
        return bool(found)

    def _seen_empty(self, queues: tuple[str, ...]) -> _Look | None:
        """A look that found nothing; None if there may be work."""
        look = self._looking(queues)
        if self._exists(queues):
            keys = self._store.keys
            if self._store.run("ready", [keys.paused, *queue_keys(keys, queues)], names(queues)):
                return None
        self._look = look
        return look

    def _exists(self, queues: Sequence[str]) -> bool:
        if not queues:
            return False
        (number,) = self._store.here.pool.ask(("EXISTS", *queue_keys(self._store.keys, queues)))
        return bool(number)

    def _looking(self, queues: tuple[str, ...]) -> _Look:
        # Noted before the look: what is heard while it is on its way may be later than it.
        return _Look(frozenset(queues), monotonic(), self._store.here.listener.heard(names(queues)))
