"""The verb enqueue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import NoPermissionError

from jobkit.adapter import State
from jobkit.alike import Alike
from jobkit.errors import EnqueueUncertain
from jobkit.payload import Payload
from jobkit_redis.errors import Refused, Unanswered
from jobkit_redis.keys import Keys, encoded
from jobkit_redis.placing import KeyList, names, place_of
from jobkit_redis.scripts import script
from jobkit_redis.server import Command, called
from jobkit_redis.store import Store
from jobkit_redis.wire import HOLE, Form

__all__ = ["REMEMBERED", "Enqueue", "has_key"]

REMEMBERED: Final = 86_400
"""Seconds for which the same idempotency key is the same job."""

_MANY: Final = 1_000
"""Queues that are remembered."""


@dataclass(frozen=True, slots=True)
class _Route:
    """A queue as commands name it, made once."""

    name: bytes
    known: Command
    """Has the queue be known."""
    keys: tuple[Any, ...]
    """Its list and what else `enqueue_offered` asks for."""
    channel: str
    pushing: Form
    """Stores a job that wakes nobody, without a script."""
    lending: Form
    """Calls `enqueue_offered`, by the server's time."""

    @classmethod
    def to(cls, queue: str, keys: Keys) -> _Route:
        name, listed = encoded(queue), keys.listed(queue)
        known = ("SADD", keys.queues, name)
        where = (listed, keys.ranked(queue), keys.paused, keys.workers, keys.offers)
        lend = called(script("enqueue_offered"), where, (name, HOLE, keys.channel, ""))
        pushing, lending = Form(known, ("LPUSH", listed, HOLE)), Form(known, lend)
        return cls(name, known, where, keys.channel, pushing, lending)


class Enqueue:
    """Stores jobs: all of a call or none, in its order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        keys = store.keys
        self._keys = (keys.queues, keys.waiting(State.SCHEDULED), keys.sequence)
        self._routes: dict[str, _Route] = {}
        self._offers = True
        """Whether jobs may be lent as they are stored."""
        self._usual = not store.location.wait_replicas and not store.now
        """Whether nothing has to be said beside the job that is not said with each."""

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
        """Store jobs of one queue without priority, time or key."""
        try:
            route = self._routes.get(queue) or self._route(queue)
            texts = [encoded(payloads[0].text)] if len(payloads) == 1 else _texts(payloads)
        except UnicodeEncodeError as error:
            raise _half(error) from error
        wakes = self._store.wakes(queue)
        if wakes and len(texts) == 1 and self._offers:
            self._offer(queue, route, texts[0], payloads)
            return
        if wakes:
            self._store.woke(queue)
        self._list(route, texts, payloads, wakes=wakes)

    def _route(self, queue: str) -> _Route:
        if len(self._routes) > _MANY:
            self._routes.clear()
        route = self._routes[queue] = _Route.to(queue, self._store.keys)
        return route

    def _offer(self, queue: str, route: _Route, text: bytes, payloads: Sequence[Payload]) -> None:
        """Store a job by lending it to a worker that waits for one, or as the others."""
        args = (route.name, text, route.channel, self._store.now)
        written = route.lending.filled(text) if self._usual else None
        # In one go with the script, as the server then writes to whoever is to run the job before
        # it answers: it begins with the one who was last to be given something.
        try:
            lent = self.send(
                "enqueue_offered", route.keys, args, payloads, before=route.known, written=written
            )
        except Refused as error:
            if not isinstance(error.__cause__, NoPermissionError):
                raise
            self._offers = False  # who may write to the queues and nothing else
            self._list(route, [text], payloads, wakes=True)
        else:
            if not lent:  # while this one is on its way another may find somebody who waits
                self._store.woke(queue)

    def _list(
        self, route: _Route, texts: list[bytes], payloads: Sequence[Payload], *, wakes: bool
    ) -> None:
        """Store jobs without a script, as Sidekiq does: one command stores them all, or none.

        The queue is known before its jobs are there. What else is said to that, or to the message,
        counts for nothing: those who wait find the jobs by polling.
        """
        store, written = self._store, None
        if self._usual and not wakes and len(texts) == 1:
            written = route.pushing.filled(texts[0])
        commands: list[Command] = [route.known, ("LPUSH", route.keys[0], *texts)]
        if wakes:
            commands.append(("PUBLISH", route.channel, route.name))
        replicas = store.location.wait_replicas
        if replicas:
            commands.append(self._wait())
        try:
            answers = store.here.pool.tell(*commands, decisive=1, written=written)
        except Unanswered as error:
            raise _uncertain(str(error), payloads) from error
        if replicas:
            self._check_replicas(answers[-1], payloads)

    def send(
        self,
        name: str,
        keys: Sequence[Any],
        args: Sequence[Any],
        payloads: Sequence[Payload],
        *,
        before: Command | None = None,
        written: bytes | None = None,
    ) -> Any:
        """What the script answers, once as many replicas have it as must; see `Pool.run`."""
        wait = [self._wait()] if self._store.location.wait_replicas else []
        pool = self._store.here.pool
        try:
            answer = pool.run(script(name), keys, args, *wait, before=before, written=written)
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
    """The queue of jobs that all go to it without priority, time or key; None for others.

    Others, too: what does not say so, or is not to be stored at all.
    """
    # No `isinstance`, which for a kind of sequence is Python's own code, and asked for at each job.
    some = (payloads.first,) if type(payloads) is Alike else payloads
    queue = some[0].fields.get("queue")
    if type(queue) is not str:
        return None
    for payload in some:
        fields = payload.fields
        job_id = fields.get("jid")
        if (
            fields.get("queue") != queue
            or "priority" in fields
            or "scheduled_at" in fields
            or type(job_id) is not str
            or has_key(job_id)
        ):
            return None
    return queue


def _texts(payloads: Sequence[Payload]) -> list[bytes]:
    if type(payloads) is Alike:
        return [encoded(text) for text in payloads.texts]
    return [encoded(payload.text) for payload in payloads]


def _half(error: UnicodeEncodeError) -> Refused:
    return Refused(f"the store keeps no half characters: {error}")


def _uncertain(problem: str, payloads: Sequence[Payload]) -> EnqueueUncertain:
    only = payloads[0].id if len(payloads) == 1 else ""
    return EnqueueUncertain(f"the job may be stored or not: {problem}", only)
