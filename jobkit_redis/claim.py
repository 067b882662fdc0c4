"""The verb claim, and waiting until there is something to claim, or has been lent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Any, Final

from jobkit.adapter import Claim
from jobkit.errors import LeaseLost
from jobkit_redis.errors import Unanswered
from jobkit_redis.keys import Keys
from jobkit_redis.listener import Heard
from jobkit_redis.offering import Offers
from jobkit_redis.placing import names, queue_keys
from jobkit_redis.receipts import claims_of
from jobkit_redis.store import WINDOW, Store

__all__ = ["Take"]

POLL: Final = 0.13
"""Seconds between looks, at most: what Ruby pushes wakes nobody."""

_AFTER_WAKE: Final = WINDOW + 0.003
"""Seconds after a wake-up when everything that it stood for has come."""

_MANY: Final = 100
"""Lists of queues that are remembered."""

_ALMOST: Final = 0.01

_TRUSTED: Final = 1.0
"""Seconds for which an idle worker is taken to be registered still."""

_MORE, _TAKEN = 1, 2
"""What the script says besides: see there."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The queues were seen empty at that monotonic time, after so much was heard of them."""

    queues: frozenset[str]
    at: float
    heard: Heard


@dataclass(frozen=True, slots=True)
class _Served:
    """Queues as commands name them, made once for each worker that asks for them."""

    names: tuple[bytes, ...]
    all: frozenset[str]
    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, queues: Sequence[str], keys: Keys) -> _Served:
        served = tuple(dict.fromkeys(queues))
        return cls(tuple(names(served)), frozenset(served), tuple(queue_keys(keys, served)))


class Take:
    """Lends jobs with one script call over all queues.

    An idle worker asks over and over, so that a claim that follows on an empty one looks with one
    command, however many queues there are, and takes only if it saw something, or if it was called.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offers = Offers(store)
        self._look: _Look | None = None
        self._known: dict[tuple[str, ...], _Served] = {}
        self._calm: dict[str, float] = {}
        """Workers whose last claim found nothing, and when they were seen to be registered."""

    def __call__(self, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        if self._store.here.listener.missed():
            raise Unanswered("a job was lent to a worker here, and the word of it was lost")
        served = self._served(queues)
        offer = self._offers.of(worker)
        if offer is not None and offer.is_taken():
            return self._offers.brought(worker)
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
        self._offers.forget(worker)

    def offer(self, queues: Sequence[str], timeout: float, worker: str) -> list[Claim]:
        """See `SupportsOffers.offer`."""
        served = self._served(queues)
        offer = self._offers.made(worker, served.names)
        if offer is None:
            self._wait(served, timeout)
            return []
        if not offer.is_taken():
            self._wait(served, timeout, offer.is_taken)
        return self._offers.brought(worker) if offer.is_taken() else []

    def withdraw(self, worker: str) -> list[Claim]:
        """See `SupportsOffers.withdraw`."""
        return self._offers.brought(worker) if self._offers.withdrawn(worker) else []

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """See `SupportsWait.wait`."""
        self._wait(self._served(queues), timeout)

    def _wait(
        self, served: _Served, timeout: float, happened: Callable[[], bool] = lambda: False
    ) -> None:
        listener, known = self._store.here.listener, served.names
        deadline = monotonic() + timeout
        gap = timeout / max(1, ceil(timeout / POLL))
        look = self._look
        if look is None or look.queues != served.all or look.at < monotonic() - gap:
            look = self._seen_empty(served)
        while look is not None and (now := monotonic()) < deadline:
            if happened() or listener.heard(known).number != look.heard.number:
                return
            due = look.at + gap
            if look.at < look.heard.at + _AFTER_WAKE:
                due = min(due, look.heard.at + _AFTER_WAKE)
            if due > deadline - _ALMOST:  # whoever waited claims next, which is a look as well
                due = deadline
            if now >= due:
                look = self._seen_empty(served)
            elif listener.wait(known, look.heard, due - now, happened):
                return

    def _served(self, queues: Sequence[str]) -> _Served:
        given = tuple(queues)
        known = self._known.get(given)
        if known is None:
            if len(self._known) > _MANY:  # drawn by weight they come in each order
                self._known.clear()
            known = self._known[given] = _Served.of(given, self._store.keys)
        return known

    def _claim(self, served: _Served, limit: int, worker: str) -> list[Claim]:
        claims: list[Claim] = []
        while True:
            flat, marks = _marks(self._ask(served, limit, worker))
            claims += claims_of(worker, flat)
            if _TAKEN in marks:
                claims += self._taken(worker, besides=claims)
            self._offers.forget(worker)
            # The rest were set aside, and there may be more behind them.
            if claims or _MORE not in marks:
                return claims

    def _taken(self, worker: str, *, besides: list[Claim]) -> list[Claim]:
        """What the offer has brought. That it got lost is for the next claim to say, if need be."""
        try:
            return self._offers.brought(worker)
        except Unanswered:
            if not besides:
                raise
            self._store.here.listener.miss()
            return []

    def _ask(self, served: _Served, limit: int, worker: str) -> list[Any]:
        store, keys = self._store, self._store.keys
        flat: list[Any] | None = store.run(
            "claim",
            [
                keys.workers,
                keys.claimed(worker),
                keys.paused,
                *served.keys,
                keys.locks,
                keys.offers,
            ],
            [
                worker,
                max(limit, 0),
                store.token(),
                store.now,
                keys.channel,
                "1" if self._offers.of(worker) else "",
                *served.names,
            ],
        )
        if flat is None:
            self.forget(worker)
            raise LeaseLost(f"the worker {worker} is not registered (any more)")
        return flat

    def _called(self, served: _Served) -> bool:
        """Whether something was heard of these queues since they were seen empty."""
        look = self._look
        if look is None or look.queues != served.all:
            return False
        return self._store.here.listener.heard(served.names).number != look.heard.number

    def _anything(self, served: _Served, worker: str) -> bool:
        """Whether it is worth while to run the script: always, if the worker may be gone."""
        look = self._looking(served)
        if look.at - self._calm[worker] >= _TRUSTED:
            if not self._registered(worker):
                return True
            self._calm[worker] = look.at
        if self._exists(served):
            return True
        self._look = look
        return False

    def _registered(self, worker: str) -> bool:
        (found,) = self._store.here.pool.ask(("HEXISTS", self._store.keys.workers, worker))
        return bool(found)

    def _seen_empty(self, served: _Served) -> _Look | None:
        """A look that found nothing; None if there may be work."""
        look = self._looking(served)
        if self._exists(served):
            paused = self._store.keys.paused
            if self._store.run("ready", [paused, *served.keys], served.names):
                return None
        self._look = look
        return look

    def _exists(self, served: _Served) -> bool:
        if not served.keys:
            return False
        (number,) = self._store.here.pool.ask(("EXISTS", *served.keys))
        return bool(number)

    def _looking(self, served: _Served) -> _Look:
        # Noted before the look: what is heard while it is on its way may be later than it.
        return _Look(served.all, monotonic(), self._store.here.listener.heard(served.names))


def _marks(answer: list[Any]) -> tuple[list[Any], list[int]]:
    """What the script lent, and what it says besides."""
    if not answer or not isinstance(answer[-1], int):
        return answer, []
    marks = [each for each in answer[-2:] if isinstance(each, int)]
    return answer[: -len(marks)], marks
