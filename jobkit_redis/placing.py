"""Where a payload goes: what the store reads of its envelope, and the keys it is put under."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from jobkit.payload import Payload
from jobkit_redis.keys import Keys, encoded

__all__ = ["KeyList", "Place", "names", "place_of", "queue_keys"]

_LARGEST: Final = 2**53
"""Scores are doubles: further out the order of priorities would be lost anyway."""


class Place(NamedTuple):
    """A queue, a priority as a score's text, and when it is due, if the payload says so."""

    queue: str
    priority: str
    due: float | None = None


def place_of(payload: Payload) -> Place:
    """The place the envelope names. Raises PayloadError for text that is no job."""
    fields = payload.fields
    if "priority" not in fields and "scheduled_at" not in fields:
        return Place(payload.queue, "0")
    priority = max(-_LARGEST, min(payload.priority, _LARGEST))
    return Place(payload.queue, str(priority), payload.scheduled_at)


class KeyList:
    """The keys of one script call: its fixed ones, and those that its items name by position."""

    def __init__(self, keys: Keys, *fixed: str) -> None:
        self._names = keys
        self.all: list[Any] = list(fixed)
        self._single: dict[Any, int] = {}
        self._pairs: dict[str, int] = {}

    @property
    def queues(self) -> Iterable[str]:
        """Those that were named."""
        return self._pairs

    def at(self, key: Any) -> int:
        """The position of a key, from 1, as in Lua."""
        if key not in self._single:
            self.all.append(key)
            self._single[key] = len(self.all)
        return self._single[key]

    def once(self, job_id: str) -> bytes:
        """The key that remembers a job with an idempotency key."""
        return self._names.once(job_id)

    def result(self, job_id: str) -> int:
        """The position of the key of what a job came to."""
        return self.at(self._names.result(job_id))

    def queue(self, name: str) -> int:
        """The position of a queue's list; its ranked set stands behind it."""
        known = self._pairs.get(name)
        if known is None:
            self.all += (self._names.listed(name), self._names.ranked(name))
            known = self._pairs[name] = len(self.all) - 1
        return known


def queue_keys(keys: Keys, queues: Iterable[str]) -> list[bytes]:
    """List and ranked set of each queue."""
    return [key for name in queues for key in (keys.listed(name), keys.ranked(name))]


def names(queues: Iterable[str]) -> list[bytes]:
    """The queues' names as stored."""
    return [encoded(queue) for queue in queues]
