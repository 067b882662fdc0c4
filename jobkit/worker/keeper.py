"""The thread of upkeep: due jobs, recurring entries, the dead set, workers that stood still."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from jobkit import events
from jobkit.adapter import Claim, Maintenance, Settlement
from jobkit.entries.ticker import Ticker
from jobkit.errors import AdapterError
from jobkit.worker.desk import Desk
from jobkit.worker.part import Part, Patience
from jobkit.worker.recovery import after_loss
from jobkit.worker.watch import Watch, look_every

__all__ = ["Keeper"]

EVERY: Final = 1.0
"""Seconds between slices of upkeep, at most; less where leases are short."""

SLICE: Final = 1_000
"""Jobs of each kind that one slice handles."""

_SOONEST: Final = 0.005

_log = logging.getLogger("jobkit.worker")


class Keeper(Part):
    """Has the store promote what is due, and recovers the jobs of workers that stood still."""

    name = "keeper"

    def __init__(self, desk: Desk, deliver: Callable[[list[Settlement]], None]) -> None:
        """`deliver` settles, and tries again while the store is away."""
        super().__init__(desk)
        self._deliver = deliver
        self._patience = Patience(self.name)
        options = desk.options
        self._ticker = Ticker(desk.adapter, owner=options.application, backend=options.backend)
        self._published = False
        self._watch = Watch()

    def work(self) -> None:
        """Keep house until asked to end."""
        while not self.ending.is_set():
            self.ending.wait(self._kept())

    def _kept(self) -> float:
        """Do one slice; the seconds until the next."""
        try:
            done = self.desk.adapter.maintain(limit=SLICE)
            self._recover(done)
            ticks_in = self._tick()
        except AdapterError as error:
            return self._patience.failed(error)
        self._patience.worked()
        due_in = EVERY if done.due_in is None else done.due_in
        look_in = look_every(pulse.lease for pulse in done.workers.values())
        return max(_SOONEST, min(EVERY, due_in, ticks_in, look_in))

    def _tick(self) -> float:
        """Enqueue recurring jobs that are due; the seconds until the next."""
        if self.desk.options.burst:
            return EVERY  # it leaves when there is nothing to do, and is no scheduler
        if not self._published:
            self._ticker.publish()
            self._published = True
        return self._ticker.look()

    def _recover(self, seen: Maintenance) -> None:
        desk = self.desk
        for worker, beat in self._watch.still(seen.workers, desk.clock.monotonic()).items():
            if worker == desk.identity:
                continue  # whether this worker still lives is for the others to judge
            claims = self._taken(worker, beat)
            reason = f"the worker {worker} stopped beating"
            now = desk.clock.time()
            self._deliver([after_loss(claim, reason, now) for claim in claims])
            _log.warning("%s; %d jobs were recovered", reason, len(claims))
            events.emit("worker_lost", adapter=desk.adapter, worker=worker, jobs=len(claims))

    def _taken(self, worker: str, beat: int) -> list[Claim]:
        """What the lost worker held, now lent to this one."""
        desk = self.desk
        with desk.lending:
            try:
                claims = desk.adapter.recover(worker, to=desk.identity, beat=beat)
            except AdapterError:
                desk.unsure = True
                raise
            desk.held.update((claim.receipt, claim) for claim in claims)
        return claims
