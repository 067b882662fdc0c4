"""Stored jobs, listed by state in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha1
from itertools import islice
from typing import Any, Final, NamedTuple

from jobkit.adapter import State
from jobkit.capabilities import JobFilter, StoredJob, StoredPage
from jobkit.errors import PayloadError
from jobkit.payload import Payload
from jobkit_redis.cursors import boundary, decoded_cursor, encoded_cursor
from jobkit_redis.keys import encoded
from jobkit_redis.receipts import Field, Receipt, claims_of, decoded
from jobkit_redis.registry import Registry
from jobkit_redis.replies import pairs
from jobkit_redis.store import Store

__all__ = [
    "AGE",
    "Listing",
    "Locator",
    "since",
    "stored_blocked",
    "stored_claim",
    "stored_listed",
    "stored_ranked",
    "stored_waiting",
]

_SLICE: Final = 500
_WAITING: Final = (State.SCHEDULED, State.RETRY, State.BLOCKED)
AGE: Final = 16
"""Bytes of the number that stands before the text of a ranked job."""


class Locator(NamedTuple):
    """Where an enqueued job lies: its number of age if it is ranked, and its queue."""

    age: str
    queue: str

    @property
    def text(self) -> str:
        return f"{self.age}:{self.queue}"

    @classmethod
    def of(cls, text: str) -> Locator:
        age, _, queue = text.partition(":")
        return cls(age, queue)


@dataclass(frozen=True, slots=True)
class _Found:
    """A job, and the cursor of a page that begins with it."""

    job: StoredJob
    cursor: str


def stored_waiting(state: State, text: bytes, score: float) -> StoredJob:
    """A job of a sorted set."""
    payload = Payload(decoded(text))
    return StoredJob(payload, state, state.value, score, id=_stand_in(payload))


def stored_listed(queue: str, text: bytes) -> StoredJob:
    """A job of a queue's list."""
    return _enqueued(Payload(decoded(text)), Locator("", queue))


def stored_ranked(queue: str, member: bytes) -> StoredJob:
    """A job of a queue's ranked set."""
    locator = Locator(member[:AGE].decode(), queue)
    return _enqueued(Payload(decoded(member[AGE:])), locator)


def stored_blocked(member: bytes) -> StoredJob:
    """A job that waits for a limit."""
    payload = Payload(decoded(member[AGE:]))
    locator = Locator(member[:AGE].decode(), "").text
    return StoredJob(payload, State.BLOCKED, locator, since(payload), id=_stand_in(payload))


def stored_claim(worker: str, receipt: str, payload: Payload) -> StoredJob:
    """A job that a worker holds."""
    at = Field.of(Receipt.of(receipt).field).at
    return StoredJob(payload, State.RUNNING, receipt, at, worker, _stand_in(payload))


def _enqueued(payload: Payload, locator: Locator) -> StoredJob:
    return StoredJob(payload, State.ENQUEUED, locator.text, since(payload), id=_stand_in(payload))


def _stand_in(payload: Payload) -> str:
    """What finds a job that has no id of its own; empty for one that has."""
    try:
        own = payload.id
    except PayloadError:
        own = ""
    return "" if own else f"sha1-{_digest(encoded(payload.text))}"


def since(payload: Payload) -> float:
    """When an enqueued job became so, as far as it says; 0 if it does not."""
    try:
        return payload.enqueued_at or payload.created_at or 0.0
    except PayloadError:
        return 0.0


class Listing:
    """Reads jobs where they lie. The enqueued are listed queue by queue."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    def page(self, state: State, *, where: JobFilter, limit: int, after: str | None) -> StoredPage:
        """See `SupportsInspect.jobs`. Raises ValueError for a cursor of another list."""
        if limit < 1:
            raise ValueError(f"a page of {limit} jobs cannot be had: ask for one at least")
        # One more than asked for tells whether a page follows, and where it begins.
        number = limit + 1 if where == JobFilter() else _SLICE
        found = list(islice(self._matching(state, where, after, min(number, _SLICE)), limit + 1))
        items = tuple(each.job for each in found[:limit])
        return StoredPage(items, found[limit].cursor if len(found) > limit else None)

    def _matching(
        self, state: State, where: JobFilter, after: str | None, number: int
    ) -> Iterator[_Found]:
        return (each for each in self._all(state, where, after, number) if _fits(each.job, where))

    def _all(
        self, state: State, where: JobFilter, after: str | None, number: int
    ) -> Iterator[_Found]:
        if state is State.ENQUEUED:
            return self._enqueued(where.queue, after, number)
        if state is State.RUNNING:
            return self._running(after)
        place = (0.0, "") if after is None else decoded_cursor(after, state, (float, str))
        make = _waiting_maker(state)
        start = None if after is None else (repr(place[0]), _bytes(place[1]))
        found = self._sorted(self._store.keys.waiting(state), start, number, up=state in _WAITING)
        return (
            _Found(make(member, score), encoded_cursor(state, score, _text(edge)))
            for member, score, edge in found
        )

    def _running(self, after: str | None) -> Iterator[_Found]:
        """All of them in one go: no more than the workers have threads and prefetch."""
        begin = "" if after is None else decoded_cursor(after, State.RUNNING, (str,))[0]
        jobs = [
            (Receipt.of(claim.receipt).field, stored_claim(worker, claim.receipt, claim.payload))
            for worker in self._registry.names()
            for claim in claims_of(
                worker, self._store.run("held", [self._store.keys.claimed(worker)])
            )
        ]
        return (
            _Found(job, encoded_cursor(State.RUNNING, field))
            for field, job in sorted(jobs, key=lambda each: each[0])
            if field >= begin
        )

    def _enqueued(self, queue: str | None, after: str | None, number: int) -> Iterator[_Found]:
        """Queue by queue: the urgent, the list, and the rest, as they will be claimed."""
        kinds = (str, str, float, str)
        begin = None if after is None else decoded_cursor(after, State.ENQUEUED, kinds)
        known = [queue] if queue is not None else sorted(self._registry.queues())
        for name in known:
            if begin is not None and name < begin[0]:
                continue
            here = begin if begin is not None and name == begin[0] else None
            yield from self._of_queue(name, here, number)

    def _of_queue(self, queue: str, begin: list[Any] | None, number: int) -> Iterator[_Found]:
        parts = ("urgent", "list", "rest")
        first = 0 if begin is None else parts.index(begin[1]) if begin[1] in parts else 0
        for part in parts[first:]:
            here = begin if begin is not None and begin[1] == part else None
            if part == "list":
                yield from self._listed(queue, here, number)
            else:
                yield from self._ranked(queue, part, here, number)

    def _ranked(
        self, queue: str, part: str, begin: list[Any] | None, number: int
    ) -> Iterator[_Found]:
        start = None if begin is None else (repr(begin[2]), _bytes(begin[3]))
        if start is None and part == "rest":
            start = ("1", b"")
        for member, score, edge in self._sorted(
            self._store.keys.ranked(queue), start, number, up=True
        ):
            if part == "urgent" and score > 0:
                return
            cursor = encoded_cursor(State.ENQUEUED, queue, part, score, _text(edge))
            yield _Found(stored_ranked(queue, member), cursor)

    def _sorted(
        self, key: Any, start: tuple[str, bytes] | None, number: int, *, up: bool
    ) -> Iterator[tuple[bytes, float, bytes]]:
        """Members and scores from a place on, each with the boundary that stands before it."""
        last: tuple[bytes, float] | None = None
        score, edge = ("", b"") if start is None else start
        while True:
            page = self._store.run("page", [key], ["up" if up else "down", number, score, edge])
            found = [(member, float(value)) for member, value in pairs(page)]
            for member, value in found:
                edge = _edge(last, (member, value), up=up)
                yield member, value, edge
                last = (member, value)
            if len(found) < number or last is None:
                return
            # Behind the last one, whatever comes there.
            score = repr(last[1])
            edge = last[0] + b"\0" if up else last[0]

    def _listed(self, queue: str, begin: list[Any] | None, number: int) -> Iterator[_Found]:
        place, digest = (0, "") if begin is None else (int(begin[2]), begin[3])
        while True:
            key = self._store.keys.listed(queue)
            first, texts = self._store.run("list", [key], [number, place, digest])
            for nth, text in enumerate(texts):
                cursor = _list_cursor(queue, first - nth, text)
                yield _Found(stored_listed(queue, text), cursor)
            if first - len(texts) < 0 or not texts:
                return
            place, digest = self._next_in_list(key, first - len(texts))

    def _next_in_list(self, key: bytes, place: int) -> tuple[int, str]:
        (text,) = self._store.here.pool.ask(("LINDEX", key, place))
        return place, "" if text is None else _digest(text)


def _waiting_maker(state: State) -> Callable[[bytes, float], StoredJob]:
    if state is State.BLOCKED:
        return lambda member, _: stored_blocked(member)
    return lambda member, score: stored_waiting(state, member, score)


def _edge(last: tuple[bytes, float] | None, this: tuple[bytes, float], *, up: bool) -> bytes:
    """What stands before `this` among those of its score, and behind the one before it."""
    member, score = this
    if last is None or last[1] != score:
        return b"" if up else member + b"\0"
    return boundary(last[0], member, up=up)


def _list_cursor(queue: str, place: int, text: bytes) -> str:
    return encoded_cursor(State.ENQUEUED, queue, "list", float(place), _digest(text))


def _digest(text: bytes) -> str:
    return sha1(text, usedforsecurity=False).hexdigest()


def _fits(job: StoredJob, where: JobFilter) -> bool:
    if where == JobFilter():
        return True
    if where.text is not None and where.text not in job.payload.text:
        return False
    try:
        return where.queue in (None, _queue(job)) and where.job in (None, job.payload.job_class)
    except PayloadError:
        return where.queue is None and where.job is None


def _queue(job: StoredJob) -> str:
    return Locator.of(job.locator).queue if job.state is State.ENQUEUED else job.payload.queue


def _text(edge: bytes) -> str:
    return edge.decode("latin-1")


def _bytes(edge: str) -> bytes:
    return edge.encode("latin-1")
