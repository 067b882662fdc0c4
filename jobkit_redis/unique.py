"""Storing unique jobs: each with its lock in one step, or not at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jobkit.adapter import State
from jobkit.batching import closed_to_new
from jobkit.capabilities import StoredJob
from jobkit.errors import AdapterError
from jobkit.locks import Lock, OnConflict, lost_to
from jobkit.payload import Payload
from jobkit_redis.enqueue import REMEMBERED, Enqueue, has_key
from jobkit_redis.errors import Refused
from jobkit_redis.ghosts import Find, Ghosts
from jobkit_redis.keys import encoded
from jobkit_redis.manage import lies_at
from jobkit_redis.placing import KeyList, names, place_of
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store

__all__ = ["EnqueueUnique", "Seen", "lock_arguments"]

_TRIES: Final = 100
"""Looks for jobs to be replaced, which may move meanwhile. Each time somebody gets on."""

_PAUSE: Final = 0.002
"""Seconds between looks at most, at first."""

_UNLOCKED: Final = (0, "skip", "", "", 0, "")
_FIXED: Final = (State.RUNNING, State.DEAD, State.COMPLETED)


@dataclass(frozen=True, slots=True)
class Seen:
    """Who had a lock, and where it waited if it did."""

    owner: str
    job: StoredJob | None


@dataclass(slots=True)
class _Entry:
    """A job of the call. `instead` is the one of the same call that decides what becomes of it."""

    payload: Payload
    lock: Lock | None
    instead: _Entry | None = None
    replaced: bool = False


class EnqueueUnique:
    """See `SupportsUnique`.

    What is to be replaced is looked for before, and named to the script, which takes it away only
    if it still is there: nothing is ever searched while nobody else is served.
    """

    def __init__(self, store: Store, enqueue: Enqueue, find: Find) -> None:
        self._store = store
        self._enqueue = enqueue
        self._find = find
        self._ghosts = Ghosts(store, find)

    def __call__(
        self, payloads: Sequence[Payload], batch: Sequence[Any] | None = None
    ) -> list[str | None]:
        """See `SupportsUnique.enqueue_unique`; with what a script needs of a batch, into that."""
        if not payloads and batch is None:
            return []
        entries = _led(payloads)
        leading = [entry for entry in entries if entry.instead is None]
        lost = self.until_settled(
            [entry.lock for entry in leading], lambda seen: self._send(leading, seen, batch)
        )
        return [_lost_to(entry, lost) for entry in entries]

    def until_settled(
        self, locks: Sequence[Lock | None], send: Callable[[Mapping[str, Seen]], Any]
    ) -> Any:
        """What `send` answers, which is tried again with another look while that is None."""
        self._ghosts.lay(locks)
        for nth in range(_TRIES):
            answer = send(self._look(locks))
            if answer is not None:
                return answer
            time.sleep(random.uniform(0, _PAUSE * min(nth + 1, 10)))
        raise AdapterError("a unique job was not stored: what it would replace moves too fast")

    def _look(self, locks: Sequence[Lock | None]) -> dict[str, Seen]:
        """The locks that may be taken from somebody, by name."""
        keys = self._store.keys
        wanted = [lock for lock in locks if lock and lock.on_conflict is OnConflict.REPLACE]
        if not wanted:
            return {}
        answers = self._store.here.pool.ask(
            *(
                ("HGET", keys.locks, lock.name) if lock.is_held else ("GET", keys.lock(lock.name))
                for lock in wanted
            )
        )
        owners = {
            lock.name: decoded(answer) if lock.is_held else decoded(answer).partition(" ")[2]
            for lock, answer in zip(wanted, answers, strict=True)
            if answer is not None
        }
        found = self._found({*owners.values()})
        found |= self._found({*owners.values()} - {*found})  # one may have moved past the search
        waiting = {job: each for job, each in found.items() if each.state not in _FIXED}
        return {name: Seen(owner, waiting.get(owner)) for name, owner in owners.items()}

    def _found(self, ids: Collection[str]) -> dict[str, StoredJob]:
        return {job.payload.id: job for job in self._find([*ids])} if ids else {}

    def _send(
        self, entries: Sequence[_Entry], seen: Mapping[str, Seen], batch: Sequence[Any] | None
    ) -> dict[str, str] | None:
        """What each of the jobs that lost did so to, by id; None if it takes another look."""
        store, keys = self._store, self._store.keys
        fixed = (keys.queues, keys.waiting(State.SCHEDULED), keys.sequence, keys.locks)
        named = KeyList(keys, *fixed)
        payloads = [entry.payload for entry in entries]
        try:
            jobs = [part for each in payloads for part in _job(each, named, store, seen)]
            wake = names(store.waking(named.queues))
        except UnicodeEncodeError as error:
            raise Refused(f"the store keeps no half characters: {error}") from error
        head = [store.now, keys.channel, len(wake), *wake]
        script = "enqueue_unique" if batch is None else "enqueue_batch"
        arguments = [*head, *(batch or ()), *jobs]
        answer = self._enqueue.send(script, named.all, arguments, payloads)
        kind, *told = [decoded(each) for each in answer]
        if kind == "again":
            return None
        if kind == "late":
            raise closed_to_new(*told)
        if kind == "raise":
            (payload,) = [each for each in payloads if each.id == told[0]]
            raise lost_to(told[1], payload)
        return dict(zip(told[::2], told[1::2], strict=True))


def lock_arguments(
    payload: Payload, named: KeyList, store: Store, seen: Mapping[str, Seen]
) -> tuple[Any, ...]:
    """A payload's lock as the scripts have it (`parts/lock.lua`)."""
    lock = Lock.of(payload)
    if lock is None:
        return ("", 0, encoded(payload.id), *_UNLOCKED)
    own = 0 if lock.is_held else named.at(store.keys.lock(lock.name))
    described = (encoded(lock.name), own, encoded(payload.id), repr(lock.seconds))
    had = seen.get(lock.name, Seen("", None))
    where = ("", 0, "") if had.job is None else lies_at(had.job, named, store.keys)
    return (*described, lock.on_conflict.value, encoded(had.owner), *where)


def _job(
    payload: Payload, named: KeyList, store: Store, seen: Mapping[str, Seen]
) -> tuple[Any, ...]:
    place = place_of(payload)
    once = named.at(named.once(payload.id)) if has_key(payload.id) else 0
    due = "" if place.due is None else repr(place.due)
    placed = (named.queue(place.queue), encoded(place.queue), place.priority)
    text = encoded(payload.text)
    return (*placed, text, due, once, REMEMBERED, *lock_arguments(payload, named, store, seen))


def _led(payloads: Sequence[Payload]) -> list[_Entry]:
    """The jobs of a call: of those with one lock one is sent, which decides for the others."""
    entries = [_Entry(payload, Lock.of(payload)) for payload in payloads]
    leaders: dict[str, _Entry] = {}
    for entry in entries:
        lock = entry.lock
        if lock is None:
            continue
        leader = leaders.setdefault(lock.name, entry)
        if leader is entry:
            continue
        if lock.on_conflict is OnConflict.RAISE and leader.payload.id != entry.payload.id:
            raise lost_to(leader.payload.id, entry.payload)
        if lock.on_conflict is OnConflict.REPLACE:
            leader.instead, leader.replaced = entry, True
            leaders[lock.name] = entry
        else:
            entry.instead = leader
    return entries


def _lost_to(entry: _Entry, lost: Mapping[str, str]) -> str | None:
    """What became of it, which is what became of whoever decides for it."""
    leader, given_way = entry, True
    while leader.instead is not None:
        given_way = given_way and leader.replaced
        leader = leader.instead
    winner = lost.get(leader.payload.id)
    if winner is not None or given_way or leader.payload.id == entry.payload.id:
        return winner
    return leader.payload.id
