"""The verbs of a worker's life: beat, recover, retire; what it holds, and orders for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from time import perf_counter
from typing import Any, Final

from jobkit.adapter import Beat, Claim, Presence
from jobkit.cancelling import CANCEL, MARK, taken_from
from jobkit.capabilities import StoredJob
from jobkit.errors import LeaseLost, PayloadError
from jobkit_redis.keys import encoded
from jobkit_redis.receipts import Field, Receipt, claims_of, decoded
from jobkit_redis.scripts import script
from jobkit_redis.store import Store

__all__ = ["Workers"]

#: As Sidekiq's pages order them.
_SIGNALS: Final = {"quiet": "TSTP", "stop": "TERM"}
_ORDERS: Final = {signal.encode(): order for order, signal in _SIGNALS.items()}

_KNOWN: Final = frozenset(_SIGNALS)

_LARGEST_SHOWN: Final = 64 * 1024

_EXPIRES: Final = 60
"""Seconds after which Sidekiq's pages forget a silent process."""


class Workers:
    """Registers workers, hears their beats, and takes from the dead and the leaving."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._published: dict[str, frozenset[str]] = {}
        self._round_trip = 0.0

    def beat(
        self,
        worker: str,
        *,
        lease: float,
        claims: Sequence[Claim] | None,
        register: bool,
        presence: Presence | None,
    ) -> Beat:
        """See `Adapter.beat`. Orders wait for a beat that tells claims: the worker's own."""
        keys = self._store.keys
        where = [keys.workers, keys.leases, keys.processes, *keys.of_process(worker)]
        head = [
            worker,
            int(register),
            self._store.now,
            repr(lease),
            max(_EXPIRES, int(2 * lease)),
            "supervisor" if claims is None else "own",
        ]
        told = [] if presence is None else self._told(worker, presence, len(claims or ()))
        work = None if presence is None else self._work(worker, presence, claims or ())
        args = [*head, len(told), *told, int(work is not None), *(work or ())]
        answer = self._beat([*where, keys.claimed(worker)], args)
        if answer is None or claims is None:
            return Beat(registered=answer is not None, lost=tuple(claims or ()))
        if presence is not None:
            self._published[worker] = frozenset(claim.receipt for claim in claims)
        held = {Receipt(worker, decoded(field)).text for field in answer[0]}
        lost = tuple(claim for claim in claims if claim.receipt not in held)
        words = frozenset(_ORDERS.get(word) or decoded(word) for word in answer[1])
        receipts, orders = taken_from(words)
        cancelled = tuple(claim for claim in claims if claim.receipt in receipts)
        # A claim that is still on its way to the worker is told of with a later beat.
        for early in held & receipts - {claim.receipt for claim in claims}:
            self.order(worker, CANCEL + early)
        return Beat(registered=True, lost=lost, cancelled=cancelled, orders=orders & _KNOWN)

    def recover(self, worker: str, *, to: str, beat: int | None) -> list[Claim]:
        """See `Adapter.recover`."""
        store, keys = self._store, self._store.keys
        where = [keys.workers, keys.leases, keys.processes, *keys.of_process(worker)]
        flat = store.run(
            "recover",
            [*where, keys.claimed(worker), keys.claimed(to)],
            [
                worker,
                to,
                "" if beat is None else beat,
                store.token(),
                store.now,
                keys.channel,
            ],
        )
        if flat is None:
            raise LeaseLost(f"the worker {to} is not registered (any more)")
        return claims_of(to, flat)

    def retire(self, worker: str) -> int:
        """See `Adapter.retire`."""
        keys = self._store.keys
        where = [keys.workers, keys.leases, keys.processes, *keys.of_process(worker)]
        given_back: int = self._store.run(
            "retire",
            [*where, keys.claimed(worker), keys.queues, keys.sequence],
            [worker, keys.listed(""), keys.ranked(""), keys.channel, self._store.now],
        )
        self._published.pop(worker, None)
        return given_back

    def held(self, worker: str) -> list[Claim]:
        """See `Adapter.held`."""
        return claims_of(worker, self._store.run("held", [self._store.keys.claimed(worker)]))

    def cancel(self, job: StoredJob) -> bool:
        """Mark a running job, if it still is held as it was seen; False if nothing was done."""
        keys, (worker, field) = self._store.keys, Receipt.of(job.locator)
        where = [keys.workers, keys.leases, keys.of_process(worker)[-1], keys.claimed(worker)]
        arguments = [worker, encoded(field), MARK, encoded(CANCEL + job.locator)]
        return bool(self._store.run("cancel", where, arguments))

    def order(self, worker: str, order: str) -> bool:
        """See `SupportsManage.order`."""
        keys = self._store.keys
        where = [keys.workers, keys.leases, keys.of_process(worker)[-1]]
        word = encoded(_SIGNALS.get(order, order))
        return bool(self._store.run("order", where, [worker, word]))

    def _beat(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        began = perf_counter()
        answer = self._store.here.beats.run(script("beat"), keys, args)
        self._round_trip = perf_counter() - began
        return answer

    def _told(self, worker: str, presence: Presence, busy: int) -> list[Any]:
        """The fields of Sidekiq's process hash, but the beat's own time."""
        fields = {
            "info": json.dumps(_info(worker, presence)),
            "concurrency": presence.concurrency,
            "busy": busy,
            "rtt_us": int(self._round_trip * 1e6),
            "quiet": str(presence.quiet).lower(),
            "rss": presence.rss // 1024,
        }
        return [part for field in fields.items() for part in field]

    def _work(self, worker: str, presence: Presence, claims: Sequence[Claim]) -> list[Any] | None:
        """What runs, as Sidekiq's pages want it; None if that is what was told last."""
        if self._published.get(worker, frozenset()) == frozenset(c.receipt for c in claims):
            return None
        # The oldest claims are those that run; the others are prefetched.
        oldest = claims[: presence.concurrency]
        shown = [(claim, Receipt.of(claim.receipt).field) for claim in oldest]
        return [
            part
            for claim, field in shown
            if _can_be_shown(claim)
            for part in (field.split(":", 2)[1], _running(claim, field))
        ]


def _info(worker: str, presence: Presence) -> dict[str, Any]:
    """One capsule, as 7.1 and later have it, and what 6 and 7.0 had in its place."""
    weights = dict.fromkeys(presence.queues, 0)
    capsule = {"concurrency": presence.concurrency, "mode": "strict", "weights": weights}
    return {
        "hostname": presence.host,
        "started_at": float(presence.started_at),
        "pid": presence.pid,
        "tag": "jobkit",
        "concurrency": presence.concurrency,
        "capsules": {"default": capsule},
        "queues": list(presence.queues),
        "weights": [weights],
        "labels": [],
        "identity": worker,
        "version": version("jobkit"),
        "embedded": presence.embedded,
        "rss": presence.rss,
    }


def _running(claim: Claim, field: str) -> bytes:
    at, _, queue = Field.of(field)
    work = {"queue": queue, "payload": claim.payload.text, "run_at": int(at)}
    return encoded(json.dumps(work, ensure_ascii=False))


def _can_be_shown(claim: Claim) -> bool:
    """Sidekiq's pages would stumble over text that is no JSON, and every beat over large text."""
    try:
        return len(claim.payload.text) <= _LARGEST_SHOWN and bool(claim.payload.fields)
    except PayloadError:
        return False
