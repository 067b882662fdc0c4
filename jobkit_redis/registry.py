"""The registered workers and the known queues."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobkit.adapter import Presence
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store

__all__ = ["Listed", "Registry", "Seen"]


class Listed(NamedTuple):
    """A worker that told its presence. `beat_at` is wall time in seconds."""

    id: str
    presence: Presence
    beat_at: float
    running: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The registry at one moment. `workers` are those that told their presence."""

    queues: frozenset[str]
    paused: frozenset[str]
    names: tuple[str, ...]
    workers: tuple[Listed, ...]

    @property
    def served(self) -> set[str]:
        """The queues of the listed workers."""
        return {queue for worker in self.workers for queue in worker.presence.queues}


class Registry:
    """Reads who is there. The set of queues is only a hint: nobody takes names out of it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def see(self) -> Seen:
        """Everything, with one script call."""
        keys = self._store.keys
        queues, paused, workers = self._store.run(
            "registry",
            [keys.workers, keys.queues, keys.paused],
            [keys.own, keys.ours, ":claimed"],
        )
        listed = [worker for each in workers if (worker := _listed(each)) is not None]
        return Seen(
            queues=frozenset(map(decoded, queues)),
            paused=frozenset(map(decoded, paused)),
            names=tuple(decoded(name) for name, _, _ in workers),
            workers=tuple(sorted(listed, key=lambda each: (each.presence.started_at, each.id))),
        )

    def names(self) -> tuple[str, ...]:
        """Every registered worker, a supervisor too."""
        return self.see().names

    def queues(self) -> set[str]:
        """Every queue that may hold a job."""
        seen = self.see()
        return {*seen.queues, *seen.paused, *seen.served}


def _listed(told: tuple[bytes, int, list[Any]]) -> Listed | None:
    name, running, (info, beat, quiet, rss) = told
    if info is None:
        return None
    known = json.loads(info)
    presence = Presence(
        host=known["hostname"],
        pid=known["pid"],
        queues=tuple(known["queues"]),
        concurrency=known["concurrency"],
        started_at=known["started_at"],
        quiet=quiet == b"true",
        rss=known.get("rss", int(rss) * 1024),
        embedded=bool(known.get("embedded")),
    )
    return Listed(decoded(name), presence, float(beat), running)
