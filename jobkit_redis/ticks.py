"""Recurring entries: kept by name, each tick enqueued once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from jobkit.adapter import State
from jobkit.capabilities import StoredEntry
from jobkit.locks import Lock
from jobkit.payload import Payload
from jobkit_redis.errors import Refused
from jobkit_redis.placing import KeyList, names, place_of
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store
from jobkit_redis.unique import EnqueueUnique, Seen, lock_arguments

__all__ = ["Ticks"]

RUNS: Final = 10
"""Ticks that an entry's history holds."""

_AGAIN: Final = 2


class Ticks:
    """See `SupportsTicks`. Each verb is one script: an entry's keys never disagree."""

    def __init__(self, store: Store, unique: EnqueueUnique) -> None:
        self._store = store
        self._unique = unique

    def entries(self) -> tuple[float, list[StoredEntry]]:
        """See `SupportsTicks.entries`."""
        now, texts, owners, lasts, runs, paused = self._run("entries", self._store.now)
        owner, last, latest = _by_name(owners), _by_name(lasts), _by_name(runs)
        found = [
            StoredEntry(
                decoded(name),
                decoded(text),
                decoded(owner[name]),
                float(last[name]),
                name in paused,
                _runs(latest.get(name, b"")),
            )
            for name, text in _by_name(texts).items()
        ]
        return float(now), sorted(found, key=lambda entry: entry.name)

    def put(self, name: str, text: str, owner: str, *, anew: bool) -> None:
        """See `SupportsTicks.put_entry`."""
        stored = _storable(lambda: names((name, text, owner)))
        self._run("put_entry", self._store.now, *stored, int(anew))

    def remove(self, name: str) -> bool:
        """See `SupportsTicks.remove_entry`."""
        stored = _storable(lambda: names((name,)))
        return bool(self._run("remove_entry", *stored))

    def pause(self, name: str, *, paused: bool) -> bool:
        """See `SupportsTicks.pause_entry`."""
        stored = _storable(lambda: names((name,)))
        return bool(self._run("pause_entry", self._store.now, *stored, int(paused)))

    def tick(self, name: str, at: float, payload: Payload) -> bool:
        """See `SupportsTicks.tick`. One whose answer was lost is not done again."""
        lock = Lock.of(payload)
        if lock is None:
            return bool(self._tick(name, at, payload, None))
        done = self._unique.until_settled([lock], lambda seen: self._tick(name, at, payload, seen))
        return bool(done)

    def _tick(
        self, name: str, at: float, payload: Payload, seen: Mapping[str, Seen] | None
    ) -> int | None:
        """Whether it was done here; None if it takes another look."""
        store, keys = self._store, self._store.keys
        place = place_of(payload)
        named = KeyList(
            keys, *keys.recurring, keys.queues, keys.waiting(State.SCHEDULED), keys.sequence
        )
        named.queue(place.queue)
        named.at(keys.locks)
        entry, queue, text, run = _storable(
            lambda: names((name, place.queue, payload.text, json.dumps([at, payload.id])))
        )
        due = "" if place.due is None else repr(place.due)
        wake = names(store.waking(named.queues))
        head = [store.now, keys.channel, len(wake), *wake]
        job = [queue, place.priority, text, due]
        lock = () if seen is None else lock_arguments(payload, named, store, seen)
        arguments = [*head, entry, repr(at), run, RUNS, *job, *lock]
        answer: int = store.run("tick", named.all, arguments)
        return None if answer == _AGAIN else answer

    def _run(self, name: str, *args: Any) -> Any:
        return self._store.run(name, self._store.keys.recurring, args)


def _by_name(flat: list[bytes]) -> dict[bytes, bytes]:
    """A hash as a script answers it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _runs(lines: bytes) -> tuple[tuple[float, str], ...]:
    return tuple((at, job) for at, job in map(json.loads, lines.splitlines()))


def _storable(make: Callable[[], list[bytes]]) -> list[bytes]:
    try:
        return make()
    except UnicodeEncodeError as error:
        raise Refused(f"the store keeps no half characters: {error}") from error
