"""Who stood still: leases judged by counters, never by clocks of other machines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from jobkit.adapter import Pulse

__all__ = ["Watch", "look_every"]

_BLIND: Final = 1 / 2
"""Of a lease: who did not look for longer was asleep as well, and the worker may just have been.

With a beat each sixth of the lease there is a third left in which the next one can come.
"""


def look_every(leases: Iterable[float]) -> float:
    """Seconds between looks at workers with these leases: twice before one is blind for any.

    Infinite if there is none.
    """
    return min(leases, default=math.inf) * _BLIND / 2


@dataclass(frozen=True, slots=True)
class _Seen:
    beat: int
    since: float


class Watch:
    """Remembers when each worker's counter last moved, on the watcher's own monotonic clock.

    A watcher that could not look for half a worker's lease was itself asleep: it forgets what it
    saw of that worker and starts anew, because the counter may have moved and stopped meanwhile.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._looked: float | None = None

    def still(self, workers: Mapping[str, Pulse], now: float) -> dict[str, int]:
        """The workers whose counter has not moved for the whole lease they published, with it.

        `now` is monotonic time in seconds.
        """
        gap = 0.0 if self._looked is None else now - self._looked
        known = {
            worker: seen
            for worker, seen in self._seen.items()
            if worker in workers and gap <= _BLIND * workers[worker].lease
        }
        self._looked = now
        self._seen = {
            worker: _noted(known.get(worker), pulse, now) for worker, pulse in workers.items()
        }
        return {
            worker: seen.beat
            for worker, seen in self._seen.items()
            if now - seen.since >= workers[worker].lease
        }


def _noted(seen: _Seen | None, pulse: Pulse, now: float) -> _Seen:
    return seen if seen is not None and seen.beat == pulse.beat else _Seen(pulse.beat, now)
