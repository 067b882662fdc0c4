"""Who stood still: leases judged by counters, never by clocks of other machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobkit.adapter import Pulse

__all__ = ["Watch"]


@dataclass(frozen=True, slots=True)
class _Seen:
    beat: int
    since: float


class Watch:
    """Remembers when each worker's counter last moved, on the watcher's own monotonic clock.

    A watcher that could not look for more than `blind_after` seconds was itself asleep: it forgets
    everything and starts watching anew, because the counters may have moved and stopped meanwhile.
    """

    def __init__(self, blind_after: float) -> None:
        self._blind_after = blind_after
        self._seen: dict[str, _Seen] = {}
        self._looked: float | None = None

    def still(self, workers: Mapping[str, Pulse], now: float) -> dict[str, int]:
        """The workers whose counter has not moved for the whole lease they published, with it.

        `now` is monotonic time in seconds.
        """
        if self._looked is not None and now - self._looked > self._blind_after:
            self._seen.clear()
        self._looked = now
        self._seen = {worker: self._noted(worker, pulse, now) for worker, pulse in workers.items()}
        return {
            worker: seen.beat
            for worker, seen in self._seen.items()
            if now - seen.since >= workers[worker].lease
        }

    def _noted(self, worker: str, pulse: Pulse, now: float) -> _Seen:
        seen = self._seen.get(worker)
        return seen if seen is not None and seen.beat == pulse.beat else _Seen(pulse.beat, now)
