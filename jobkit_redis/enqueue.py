"""The verb enqueue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from jobkit.adapter import State
from jobkit.alike import Alike
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
        if (queue := _plain(payloads)) is not None:
            self._push(queue, payloads)
            return
        keys = self._store.keys
        call = _Call(KeyList(keys, *self._keys))
        try:
            for payload in payloads:
                call.add(payload, encoded(payload.text))
            wake = names(self._store.waking(call.keys.queues))
        except UnicodeEncodeError as error:
            raise _half(error) from error
        head = (self._store.now, keys.channel, len(wake), *wake)
        self.send("enqueue", call.keys.all, [*head, *call.items], payloads)

    def _push(self, queue: str, payloads: Sequence[Payload]) -> None:
        """Store jobs that need no script, as Sidekiq does: one command stores them all, or none.

        The queue is known before its jobs are there. What else is said to that, or to the message,
        counts for nothing: those who wait find the jobs by polling.
        """
        store = self._store
        keys, replicas = store.keys, store.location.wait_replicas
        try:
            name = encoded(queue)
            texts = [encoded(text) for text in _texts(payloads)]
        except UnicodeEncodeError as error:
            raise _half(error) from error
        commands = [("SADD", keys.queues, name), ("LPUSH", keys.listed(queue), *texts)]
        if store.waking((queue,)):
            commands.append(("PUBLISH", keys.channel, name))
        if replicas:
            commands.append(self._wait())
        try:
            answers = store.here.pool.tell(*commands, decisive=1)
        except Unanswered as error:
            raise _uncertain(str(error), payloads) from error
        if replicas:
            self._check_replicas(answers[-1], payloads)

    def send(self, name: str, keys: list[Any], args: list[Any], payloads: Sequence[Payload]) -> Any:
        """What the script answers, once as many replicas have it as must."""
        wait = [self._wait()] if self._store.location.wait_replicas else []
        try:
            answer = self._store.here.pool.run(script(name), keys, args, *wait)
        except Unanswered as error:
            raise _uncertain(str(error), payloads) from error
        if not wait:
            return answer
        self._check_replicas(answer[1], payloads)
        return answer[0]

    def _wait(self) -> tuple[Any, ...]:
        location = self._store.location
        return ("WAIT", location.wait_replicas, int(location.timeout * 500))

    def _check_replicas(self, answer: Any, payloads: Sequence[Payload]) -> None:
        replicas = self._store.location.wait_replicas
        if not isinstance(answer, int) or answer < replicas:
            raise _uncertain(f"{answer} of {replicas} replicas have it", payloads)


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


def _plain(payloads: Sequence[Payload]) -> str | None:
    """The queue of jobs that all go to it without priority, time or key; None for others."""
    queue = payloads[0].queue
    for payload in [payloads.first] if isinstance(payloads, Alike) else payloads:
        fields = payload.fields
        if (
            fields.get("queue") != queue
            or "priority" in fields
            or "scheduled_at" in fields
            or has_key(payload.id)
        ):
            return None
    return queue


def _texts(payloads: Sequence[Payload]) -> Iterable[str]:
    if isinstance(payloads, Alike):
        return payloads.texts
    return (payload.text for payload in payloads)


def _half(error: UnicodeEncodeError) -> Refused:
    return Refused(f"the store keeps no half characters: {error}")


def _uncertain(problem: str, payloads: Sequence[Payload]) -> EnqueueUncertain:
    only = payloads[0].id if len(payloads) == 1 else ""
    return EnqueueUncertain(f"the job may be stored or not: {problem}", only)
