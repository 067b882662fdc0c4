"""The workers of a memory store, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobkit.adapter import Beat, Claim, Presence
from jobkit.cancelling import CANCEL, taken_from
from jobkit.errors import LeaseLost
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Job, Worker

__all__ = ["Leases"]


class Leases(Handle):
    """The verbs of a worker's life: beat, recover, retire."""

    def beat(
        self,
        worker: str,
        *,
        lease: float,
        claims: Sequence[Claim] | None,
        register: bool = False,
        presence: Presence | None = None,
    ) -> Beat:
        with self._lock:
            known = self._store.workers.get(worker) or (Worker(lease) if register else None)
            if known is None:
                return Beat(registered=False, lost=tuple(claims or ()))
            beaten = replace(
                known,
                beat=known.beat + 1,
                beat_at=self._clock.time(),
                presence=presence or known.presence,
            )
            if claims is None:  # the supervisor's: what is meant for the worker waits for its own
                self._store.workers[worker] = beaten
                return Beat(registered=True)
            receipts, orders = taken_from(known.orders)
            told = {claim.receipt for claim in claims}
            # A claim that is still on its way to the worker is told of with a later beat.
            early = frozenset(CANCEL + each for each in self._held(worker) & (receipts - told))
            self._store.workers[worker] = replace(beaten, lease=lease, orders=early)
            return Beat(
                registered=True,
                lost=self._lost(worker, claims),
                cancelled=tuple(claim for claim in claims if claim.receipt in receipts),
                orders=orders,
            )

    def recover(self, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        with self._lock:
            lost = self._store.workers.get(worker)
            self._registered(to)
            if lost is None or worker == to or beat not in (None, lost.beat):
                return []
            del self._store.workers[worker]
            now = self._clock.time()
            return [self._handed_on(job, to, now) for job in self._store.held(worker)]

    def retire(self, worker: str) -> int:
        with self._lock:
            self._store.workers.pop(worker, None)
            jobs = self._store.held(worker)
            for job in jobs:
                self._store.move(job, job.waiting(job.run_at))
            return len(jobs)

    def held(self, worker: str) -> list[Claim]:
        with self._lock:
            return [job.claim for job in self._store.held(worker)]

    def _handed_on(self, job: Job, to: str, now: float) -> Claim:
        quotas = self._store.quotas
        places = quotas.places(job.receipt)
        lent = self._store.lend(job, to, now)
        quotas.go_on(places, job.receipt, lent.receipt)
        return lent.claim

    def _registered(self, worker: str) -> None:
        if worker not in self._store.workers:
            raise LeaseLost(f"the worker {worker!r} is not registered: what it held is not its own")

    def _held(self, worker: str) -> frozenset[str]:
        return frozenset(job.receipt for job in self._store.held(worker))

    def _lost(self, worker: str, claims: Sequence[Claim]) -> tuple[Claim, ...]:
        held = self._held(worker)
        return tuple(claim for claim in claims if claim.receipt not in held)
