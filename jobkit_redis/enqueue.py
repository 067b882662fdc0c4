"""The verb enqueue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jobkit.adapter import State
from jobkit.errors import EnqueueUncertain
from jobkit.payload import Payload
from jobkit_redis.errors import Refused, Unanswered
from jobkit_redis.keys import encoded
from jobkit_redis.placing import KeyList, names, place_of
from jobkit_redis.scripts import script
from jobkit_redis.store import Store

__all__ = ["REMEMBERED", "Enqueue", "has_key"]

REMEMBERED: Final = 86_400
"""Seconds for which the same idempotency key is the same job."""


class Enqueue:
    """Stores jobs: all of a call or none, in its order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        keys = store.keys
        self._keys = (keys.queues, keys.waiting(State.SCHEDULED), keys.sequence)

    def __call__(self, payloads: Sequence[Payload]) -> None:
        if not payloads:
            return
        keys = self._store.keys
        call = _Call(KeyList(keys, *self._keys))
        try:
            for payload in payloads:
                call.add(payload, encoded(payload.text))
            wake = names(self._store.waking(call.keys.queues))
        except UnicodeEncodeError as error:
            raise Refused(f"the store keeps no half characters: {error}") from error
        head = (self._store.now, keys.channel, len(wake), *wake)
        self.send("enqueue", call.keys.all, [*head, *call.items], payloads)

    def send(self, name: str, keys: list[Any], args: list[Any], payloads: Sequence[Payload]) -> Any:
        """What the script answers, once as many replicas have it as must."""
        replicas = self._store.location.wait_replicas
        timeout = int(self._store.location.timeout * 500)
        wait = [("WAIT", replicas, timeout)] if replicas else []
        try:
            answer = self._store.here.pool.run(script(name), keys, args, *wait)
        except Unanswered as error:
            raise _uncertain(str(error), payloads) from error
        if not replicas:
            return answer
        if answer[1] < replicas:
            problem = f"{answer[1]} of {replicas} replicas have it"
            raise _uncertain(problem, payloads)
        return answer[0]


class _Call:
    """The items of one call; jobs without priority and time that stand together are one item."""

    def __init__(self, keys: KeyList) -> None:
        self.keys = keys
        self.items: list[Any] = []
        self._open: tuple[str, int] | None = None
        """The queue of the last item if more may be added, and where its number stands."""

    def add(self, payload: Payload, text: bytes) -> None:
        place = place_of(payload)
        keyed = has_key(payload.id)
        plain = place.priority == "0" and place.due is None and not keyed
        if plain and self._open is not None and self._open[0] == place.queue:
            self.items[self._open[1]] += 1
            self.items.append(text)
            return
        if keyed:
            self.items += ("U", self.keys.at(self.keys.once(payload.id)), REMEMBERED)
        at, queue = self.keys.queue(place.queue), encoded(place.queue)
        self._open = None
        if place.due is not None:
            self.items += ("S", at, queue, place.priority, text, repr(place.due))
        elif place.priority != "0":
            self.items += ("P", at, queue, place.priority, text)
        else:
            self.items += ("L", at, queue, 1, text)
            self._open = None if keyed else (place.queue, len(self.items) - 2)


def has_key(job_id: str) -> bool:
    """Ids made of idempotency keys are name-based UUIDs (version 5)."""
    return len(job_id) == 32 and job_id[12] == "5"  # noqa: PLR2004 - RFC 9562, 4.1 and 5.5


def _uncertain(problem: str, payloads: Sequence[Payload]) -> EnqueueUncertain:
    only = payloads[0].id if len(payloads) == 1 else ""
    return EnqueueUncertain(f"the job may be stored or not: {problem}", only)
