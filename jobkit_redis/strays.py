"""Members of batches whose jobs are nowhere any more: deleted by hand, evicted, taken by Ruby.

A store that lost them tells nobody, and their batches would wait for ever. A job has no key of its
own here, so that one which is nowhere is found only by a search of everything, and a job that moves
meanwhile may be missed. Therefore only batches are looked at in which nothing ended for long, ever
more rarely, by one process at a time, and a member must be missed at several looks.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Final

from jobkit.batching import Members, as_member
from jobkit.errors import AdapterError
from jobkit_redis.keys import encoded
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store

__all__ = ["Strays"]

_EVERY: Final = 60.0
"""Seconds between two looks."""

_QUIET: Final = 600.0
"""Seconds without an end after which a batch is looked at; twice as long after each in vain."""

_LONGEST: Final = 86_400.0
_LOOKS: Final = 5
"""Looks at which a member must be missed, one after the other."""

_BATCHES: Final = 1_000
"""Batches that are looked at together."""

_MEMBERS: Final = 1_000
"""Members that are searched for together."""


@dataclass(slots=True)
class _Quiet:
    """A batch in which nothing ended: its pending members since then, and when it is searched."""

    pending: int
    wait: float
    search_at: float
    cursor: int = 0


class Strays:
    """Looks once in a while at batches in which nothing ends."""

    def __init__(
        self,
        store: Store,
        missing: Callable[[Sequence[str]], Collection[str]],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`missing` tells which of some jobs are not found."""
        self._store = store
        self._missing = missing
        self._clock = clock
        self._look_at = 0.0
        self._name = f"{os.getpid()}:{os.urandom(8).hex()}"
        self._after = b""
        self._seen: set[str] = set()
        self._quiet: dict[str, _Quiet] = {}
        self._missed: Counter[tuple[str, str]] = Counter()
        self._thread: threading.Thread | None = None

    def upkeep(self) -> None:
        """The next look, if it is time for one, and no other process has taken this upon itself."""
        now = self._clock()
        if now < self._look_at or self._is_searching():
            return
        self._look_at = now + _EVERY
        if self._is_mine():
            self._observe(now)
            if self._missed or any(each.search_at <= now for each in self._quiet.values()):
                self._begin(now)

    def join(self) -> None:
        """Wait for a search to end."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self, now: float) -> None:
        """Search in a thread: among a million jobs it takes seconds, and upkeep has others."""
        self._thread = threading.Thread(
            target=self._search_alone, args=(now,), name="jobkit-strays", daemon=True
        )
        self._thread.start()

    def _is_searching(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _search_alone(self, now: float) -> None:
        # The store's trouble is told by the verbs; the next look goes on.
        with suppress(AdapterError):
            self._search(now)

    def _is_mine(self) -> bool:
        """True for the process that looks; another one does when it was not heard of for long."""
        key, lasts = self._store.keys.watched_batches, int(_EVERY * 2_500)
        pool = self._store.here.pool
        (mine,) = pool.ask(("SET", key, self._name, "NX", "PX", lasts))
        if mine is not None:
            return True
        (owner,) = pool.ask(("GET", key))
        if owner != self._name.encode():
            return False
        pool.ask(("PEXPIRE", key, lasts))
        return True

    def _observe(self, now: float) -> None:
        """See in which batches something ended since the last look; the next part of them."""
        keys = self._store.keys
        head = [self._after, _BATCHES]
        self._after, *told = self._store.run("quiet_batches", [keys.batches, keys.sequence], head)
        for name, number in zip(told[::2], told[1::2], strict=True):
            batch, pending = decoded(name), int(number)
            known = self._quiet.get(batch)
            if known is None or known.pending != pending:
                # With none pending it would have ended: its set is lost.
                wait = _QUIET if pending else 0.0
                self._quiet[batch] = _Quiet(pending, wait, now + wait)
            self._seen.add(batch)
        if not self._after:
            self._quiet = {name: self._quiet[name] for name in self._quiet.keys() & self._seen}
            self._seen.clear()

    def _search(self, now: float) -> None:
        """Search for what was missed before, and for some members of those that are due."""
        suspects = [*islice(self._missed, _MEMBERS)]
        room = _MEMBERS - len(suspects)
        for batch, quiet in list(self._quiet.items()):
            if room > 0 and quiet.search_at <= now:
                some = self._some(batch, quiet, now)
                suspects += [(batch, job) for job in some if (batch, job) not in self._missed]
                room -= len(some)
        missing = self._nowhere([member for _, member in suspects])
        for suspect in suspects:
            if suspect[1] in missing:
                self._missed[suspect] += 1
            else:
                self._missed.pop(suspect, None)
        self._end([each for each in suspects if self._missed[each] >= _LOOKS])

    def _some(self, batch: str, quiet: _Quiet, now: float) -> list[str]:
        """Some of its pending members; behind the last of them the batch has a rest."""
        key = self._store.keys.of_batch(batch)[1]
        (answer,) = self._store.here.pool.ask(("SSCAN", key, quiet.cursor, "COUNT", _MEMBERS // 2))
        quiet.cursor = int(answer[0])
        if not quiet.cursor:
            self._rest(batch, quiet, now)
        return [decoded(name) for name in answer[1]]

    def _rest(self, batch: str, quiet: _Quiet, now: float) -> None:
        if not quiet.pending:
            self._sweep(batch, ())
            del self._quiet[batch]
            return
        quiet.wait = min(quiet.wait * 2, _LONGEST)
        quiet.search_at = now + quiet.wait

    def _nowhere(self, members: Sequence[str]) -> set[str]:
        """Those that are neither a job nor a batch."""
        if not members:
            return set()
        known = Members.of(members, None)
        gone = {*self._missing(known.jobs)} if known.jobs else set[str]()
        if known.batches:
            keys = [self._store.keys.of_batch(each)[0] for each in known.batches]
            there = self._store.here.pool.ask(*(("EXISTS", key) for key in keys))
            gone |= {
                as_member(batch)
                for batch, found in zip(known.batches, there, strict=True)
                if not found
            }
        return gone

    def _end(self, lost: Iterable[tuple[str, str]]) -> None:
        by_batch: dict[str, list[str]] = {}
        for batch, member in lost:
            by_batch.setdefault(batch, []).append(member)
            del self._missed[batch, member]
        for batch, members in by_batch.items():
            self._sweep(batch, members)

    def _sweep(self, batch: str, members: Sequence[str]) -> Any:
        keys = self._store.keys
        named = [encoded(batch), *map(encoded, members)]
        arguments = [self._store.now, keys.channel, *named]
        return self._store.run("sweep_batch", [keys.queues, keys.sequence], arguments)
