"""The verb maintain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from time import monotonic
from typing import Any, Final

from jobkit.adapter import Maintenance, Pulse, Retention, State
from jobkit.errors import PayloadError
from jobkit.payload import Payload
from jobkit_redis.keys import encoded
from jobkit_redis.placing import KeyList, names, place_of
from jobkit_redis.receipts import decoded
from jobkit_redis.replies import pairs
from jobkit_redis.store import Store

__all__ = ["Maintain", "stamped"]

_WAITING: Final = (State.SCHEDULED, State.RETRY)
_CHUNK: Final = 200
"""Jobs promoted by one script call: nobody else is served meanwhile."""

_TRIM_EVERY: Final = 5.0
"""Seconds between looks at what this process did not bury or finish itself."""

_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class _Due:
    """A job whose time has come: which set it lies in (1 or 2), since when it is due, its text."""

    set: int
    score: float
    text: bytes


@dataclass(frozen=True, slots=True)
class _Seen:
    """When the next job falls due, a limit is to be looked at, a rate has room for who waits.

    Infinity where there is none. And every worker's pulse.
    """

    now: float
    job: float
    look: float
    room: float
    workers: Mapping[str, Pulse]


class Maintain:
    """Promotes what fell due and trims what was kept long enough, in slices.

    A slice that has nothing to do is a handful of plain commands, sent in one go.
    """

    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention
        self._look_at_kept = 0.0

    def kept(self) -> None:
        """Something was buried, or finished and kept: the next slice looks whether it is full."""
        self._look_at_kept = 0.0

    def __call__(self, *, limit: int) -> Maintenance:
        seen = self._look()
        now, promoted = seen.now, 0
        if seen.look <= now:
            self._store.run(
                "look", self._store.keys.looks, [repr(now), self._store.keys.channel, _CHUNK]
            )
        if seen.job <= now:
            promoted = self._promote(now, limit)
        trimmed = self._trim(now, limit)
        after = seen if now < min(seen.job, seen.look) else self._look()
        first = min(after.job, after.room)
        due_in = None if first == inf else max(0.0, first - now)
        return Maintenance(promoted, trimmed, due_in, seen.workers)

    def _look(self) -> _Seen:
        keys = self._store.keys
        sets = [*(keys.waiting(state) for state in _WAITING), *keys.looks]
        *first, beats, leases, time = self._store.here.pool.ask(
            *(("ZRANGE", name, 0, 0, "WITHSCORES") for name in sets),
            ("HGETALL", keys.workers),
            ("HGETALL", keys.leases),
            ("TIME",),
        )
        scheduled, retry, look, room = map(_score, first)
        known = dict(pairs(leases))
        workers = {
            worker.decode(): Pulse(int(beat), float(known.get(worker, 0)))
            for worker, beat in pairs(beats)
        }
        return _Seen(self._moment(time), min(scheduled, retry), min(look, room), room, workers)

    def _moment(self, time: Sequence[Any]) -> float:
        """The clock's time, if there is one, else the server's."""
        if self._store.now:
            return float(self._store.now)
        return int(time[0]) + int(time[1]) / 1e6

    def _promote(self, now: float, limit: int) -> int:
        due = iter(self._due(now, limit))
        promoted = 0
        while chunk := list(islice(due, _CHUNK)):
            promoted += self._enqueue(chunk, now)
        return promoted

    def _due(self, now: float, limit: int) -> list[_Due]:
        """What is due, the sooner before the later."""
        keys = [self._store.keys.waiting(state) for state in _WAITING]
        answer = self._store.run("due", keys, [repr(now), limit])
        found = [
            _Due(nth, float(score), text)
            for nth, flat in enumerate(answer, 1)
            for text, score in pairs(flat)
        ]
        return sorted(found, key=lambda each: each.score)[:limit]

    def _enqueue(self, due: Sequence[_Due], now: float) -> int:
        store, keys = self._store, self._store.keys
        named = KeyList(
            keys,
            *(keys.waiting(state) for state in (*_WAITING, State.DEAD)),
            keys.queues,
            keys.sequence,
        )
        jobs = [part for each in due for part in _promotion(each, named, now)]
        wake = names(store.waking(named.queues))
        head = [store.now or repr(now), keys.channel, len(wake), *wake]
        promoted: int = store.run("promote", named.all, head + jobs)
        return promoted

    def _trim(self, now: float, limit: int) -> int:
        if monotonic() < self._look_at_kept:
            return 0
        keys, kept = self._store.keys, self._retention
        died, ended = now - kept.dead_days * _DAY, now - kept.keep_finished
        trimmed: int = self._store.run(
            "trim",
            [keys.waiting(State.DEAD), keys.waiting(State.COMPLETED)],
            [kept.dead_max, repr(died), repr(ended), limit],
        )
        self._look_at_kept = 0.0 if trimmed else monotonic() + _TRIM_EVERY
        return trimmed


def _score(first: Any) -> float:
    return next((float(score) for _, score in pairs(first)), inf)


def _promotion(due: _Due, keys: KeyList, now: float) -> Iterator[Any]:
    """The arguments that put the job into its queue; what is no job is buried as it is."""
    payload = Payload(decoded(due.text))
    try:
        place = place_of(payload)
        text, queue = encoded(stamped(payload, now)), encoded(place.queue)
    except (PayloadError, UnicodeEncodeError):  # no job, or a queue named by half a character
        return iter((due.set, due.text, due.text, 0, "", "0"))
    return iter((due.set, due.text, text, keys.queue(place.queue), queue, place.priority))


def stamped(payload: Payload, now: float) -> str:
    """The text with the time at which it became enqueued, as Sidekiq writes it."""
    if "enqueued_at" in payload.fields or not payload.fields:
        return payload.replace(enqueued_at=now).text
    # A member more, at the end: nothing else need be read again.
    return f'{payload.text.rstrip()[:-1]},"enqueued_at":{now!r}}}'
